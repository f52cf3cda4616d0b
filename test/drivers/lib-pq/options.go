package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/lib/pq"
)

// checkOptions is what has to hold however the driver sends parameters: with a description asked for first, or at once.
func checkOptions(options string) {
	with := func(what string, run func(ctx context.Context, db *sql.DB)) {
		check(options+": "+what, func(ctx context.Context) {
			db := open(options)
			defer db.Close()
			run(ctx, db)
		})
	}

	with("sixteen clients use the same queries in many transactions, each gets its own answers",
		func(ctx context.Context, db *sql.DB) {
			together(clients, func(client int) {
				conn := get(db.Conn(ctx))
				defer conn.Close()
				for i := range 25 {
					id := (client*7+i)%items + 1
					mustAnswer(ctx, conn, id)
					inTransaction(ctx, conn, func(tx *sql.Tx) {
						mustAnswer(ctx, tx, id)
						var product int
						must(tx.QueryRowContext(ctx, "select $1::int * $2::int", client, i).Scan(&product))
						equal(product, client*i)
					})
				}
			})
		})

	with("statements are prepared once and used in many transactions", func(ctx context.Context, db *sql.DB) {
		together(clients, func(client int) {
			conn := get(db.Conn(ctx))
			defer conn.Close()
			// The driver calls the statements of each connection 1, 2, …
			add := get(conn.PrepareContext(ctx, fmt.Sprintf("select %d + $1::int", client)))
			name := get(conn.PrepareContext(ctx, "select name from lib_pq_items where id = $1"))
			for i := range 25 {
				var sum int
				must(add.QueryRowContext(ctx, i).Scan(&sum))
				equal(sum, client+i)
				inTransaction(ctx, conn, func(tx *sql.Tx) {
					var text string
					must(tx.StmtContext(ctx, name).QueryRowContext(ctx, i+1).Scan(&text))
					equal(text, itemName(i+1))
				})
			}
			must(add.Close())
			must(name.Close())
		})
	})

	with("one statement of the whole pool is used by sixteen at once", func(ctx context.Context, db *sql.DB) {
		statement := get(db.PrepareContext(ctx, "select $1::int * 3"))
		defer statement.Close()
		together(clients, func(client int) {
			for i := range 25 {
				var product int
				must(statement.QueryRowContext(ctx, client*i).Scan(&product))
				equal(product, client*i*3)
			}
		})
	})

	with("values of all kinds come back as they were", checkValues)

	with("an error ends the transaction and nothing else", func(ctx context.Context, db *sql.DB) {
		conn := get(db.Conn(ctx))
		defer conn.Close()
		tx := get(conn.BeginTx(ctx, nil))
		get(tx.ExecContext(ctx, "insert into lib_pq_items values ($1, $2)", items+1, "rolled back"))
		get(tx.ExecContext(ctx, "savepoint before"))
		_, err := tx.ExecContext(ctx, "insert into lib_pq_items values ($1, $2)", 1, "twice")
		mustFail(err, "23505")
		equal(pq.As(err, "23505").Constraint, "lib_pq_items_pkey")
		get(tx.ExecContext(ctx, "rollback to before"))
		mustAnswer(ctx, tx, 1)
		_, err = tx.ExecContext(ctx, "select 1 / $1::int", 0)
		mustFail(err, "22012")
		_, err = tx.ExecContext(ctx, "select $1::int", 1)
		mustFail(err, "25P02")
		must(tx.Rollback())

		_, err = conn.ExecContext(ctx, "selekt $1", 1)
		mustFail(err, "42601")
		_, err = conn.PrepareContext(ctx, "select * from lib_pq_nowhere")
		mustFail(err, "42P01")
		_, err = conn.ExecContext(ctx, "select $1::int", "no number")
		mustFail(err, "22P02")
		var count int
		must(conn.QueryRowContext(ctx, "select count(*) from lib_pq_items").Scan(&count))
		equal(count, items)
		mustAnswer(ctx, conn, 2)
	})

	with("values of five megabytes, there and back", func(ctx context.Context, db *sql.DB) {
		text := strings.Repeat("něco ", 800_000)
		data := bytes.Repeat([]byte{0, 1, 2, 254, 255}, 1_000_000)
		var gotText string
		var gotData []byte
		var characters int
		row := db.QueryRowContext(ctx, "select $1::text, $2::bytea, length($1::text)", text, data)
		must(row.Scan(&gotText, &gotData, &characters))
		equal(gotText == text, true)
		equal(bytes.Equal(gotData, data), true)
		equal(characters, 4_000_000)
		mustAnswer(ctx, db, 3)
	})

	with("rows that the application does not want to read to their end", func(ctx context.Context, db *sql.DB) {
		conn := get(db.Conn(ctx))
		defer conn.Close()
		for range 3 {
			rows := get(conn.QueryContext(ctx, "select i from generate_series(1, $1::int) i", 20_000))
			equal(rows.Next(), true)
			must(rows.Close())
			mustAnswer(ctx, conn, 4)
		}
	})
}

type values struct {
	big      int64
	float    float64
	yes      bool
	text     string
	bytes    []byte
	amount   string
	moment   time.Time
	identity string
	numbers  pq.Int64Array
	words    []sql.NullString
	document string
	nothing  *string
}

func checkValues(ctx context.Context, db *sql.DB) {
	empty := ""
	want := []values{{
		big:      -9_223_372_036_854_775_808,
		float:    0.1,
		yes:      true,
		text:     "Žluťoučký kůň 🐎 'quoted' \\ $1 ; --",
		bytes:    []byte{0, 1, 2, 39, 92, 127, 128, 255},
		amount:   "-12345678901234567890.0123456789",
		moment:   time.Date(2024, 2, 29, 23, 59, 59, 999_999_000, time.UTC),
		identity: "00112233-4455-6677-8899-aabbccddeeff",
		numbers:  pq.Int64Array{1, -2, 9_223_372_036_854_775_807},
		words:    []sql.NullString{{String: `a "word", {in} braces\`, Valid: true}, {}, {String: "", Valid: true}},
		document: `{"list": [1, null, true], "name": "Zoë"}`,
	}, {
		bytes:    []byte{},
		amount:   "0",
		moment:   time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC),
		identity: "ffffffff-ffff-ffff-ffff-ffffffffffff",
		numbers:  pq.Int64Array{},
		words:    []sql.NullString{},
		document: "{}",
		nothing:  &empty,
	}}
	get(db.ExecContext(ctx, "truncate lib_pq_values"))
	for i, each := range want {
		get(db.ExecContext(ctx, `insert into lib_pq_values values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
			i, each.big, each.float, each.yes, each.text, each.bytes, each.amount, each.moment, each.identity,
			each.numbers, pq.Array(each.words), each.document, each.nothing))
	}
	rows := get(db.QueryContext(ctx, `select big, float, yes, text, bytes, amount, moment, identity, numbers, words,
		document, nothing from lib_pq_values where id >= $1 order by id`, 0))
	defer rows.Close()
	for _, each := range want {
		equal(rows.Next(), true)
		var got values
		must(rows.Scan(&got.big, &got.float, &got.yes, &got.text, &got.bytes, &got.amount, &got.moment, &got.identity,
			&got.numbers, pq.Array(&got.words), &got.document, &got.nothing))
		got.moment = got.moment.UTC()
		equal(got, each)
	}
	equal(rows.Next(), false)
	must(rows.Err())
}

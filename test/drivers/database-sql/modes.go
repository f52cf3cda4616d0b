package main

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// checkMode is what has to hold whichever way the driver speaks the protocol.
func checkMode(mode string) {
	in := func(what string, run func(ctx context.Context, db *sql.DB)) {
		check(mode+": "+what, func(ctx context.Context) {
			db := open("default_query_exec_mode=" + mode)
			defer db.Close()
			run(ctx, db)
		})
	}

	in("statements are prepared once and used in many transactions and connections, by sixteen at once",
		func(ctx context.Context, db *sql.DB) {
			name := get(db.PrepareContext(ctx, "select name from database_sql_items where id = $1"))
			defer name.Close()
			sum := get(db.PrepareContext(ctx, "select $1::int + $2::int"))
			defer sum.Close()
			together(clients, func(client int) {
				for i := range 25 {
					id := (client*7+i)%items + 1
					var text string
					must(name.QueryRowContext(ctx, id).Scan(&text))
					equal(text, itemName(id))

					tx := get(db.BeginTx(ctx, nil))
					mustAnswer(ctx, tx, id)
					var total int
					must(tx.StmtContext(ctx, sum).QueryRowContext(ctx, client, i).Scan(&total))
					equal(total, client+i)
					must(tx.Commit())
				}
			})
		})

	in("values come back as they were", checkValues)

	in("an error ends the transaction and nothing else", func(ctx context.Context, db *sql.DB) {
		conn := get(db.Conn(ctx))
		defer conn.Close()
		tx := get(conn.BeginTx(ctx, nil))
		get(tx.ExecContext(ctx, "insert into database_sql_items values ($1, $2)", items+1, "rolled back"))
		get(tx.ExecContext(ctx, "savepoint before"))
		_, err := tx.ExecContext(ctx, "insert into database_sql_items values ($1, $2)", 1, "twice")
		mustFail(err, "23505")
		get(tx.ExecContext(ctx, "rollback to before"))
		mustAnswer(ctx, tx, 1)
		_, err = tx.ExecContext(ctx, "select 1 / $1::int", 0)
		mustFail(err, "22012")
		_, err = tx.ExecContext(ctx, "select $1::int", 1)
		mustFail(err, "25P02")
		must(tx.Rollback())

		_, err = conn.ExecContext(ctx, "selekt $1", 1)
		mustFail(err, "42601")
		mustCount(ctx, conn, "database_sql_items", items)
		mustAnswer(ctx, conn, 2)
	})
}

type values struct {
	whole   int64
	part    float64
	yes     bool
	text    string
	bytes   []byte
	moment  time.Time
	nothing sql.NullString
}

func checkValues(ctx context.Context, db *sql.DB) {
	want := []values{{
		whole:  -9_223_372_036_854_775_808,
		part:   0.1,
		yes:    true,
		text:   "Žluťoučký kůň 🐎 'quoted' \\ $1 ; --",
		bytes:  []byte{0, 1, 2, 39, 92, 127, 128, 255},
		moment: time.Date(2024, 2, 29, 23, 59, 59, 999_999_000, time.UTC),
	}, {
		bytes:   []byte{},
		moment:  time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC),
		nothing: sql.NullString{String: "", Valid: true},
	}}
	get(db.ExecContext(ctx, "truncate database_sql_values"))
	for i, each := range want {
		result := get(db.ExecContext(ctx, "insert into database_sql_values values ($1, $2, $3, $4, $5, $6, $7, $8)",
			i, each.whole, each.part, each.yes, each.text, each.bytes, each.moment, each.nothing))
		equal(get(result.RowsAffected()), 1)
	}
	rows := get(db.QueryContext(ctx, `select whole, part, yes, text, bytes, moment, nothing
		from database_sql_values where id >= $1 order by id`, 0))
	defer rows.Close()
	for _, each := range want {
		equal(rows.Next(), true)
		var got values
		must(rows.Scan(&got.whole, &got.part, &got.yes, &got.text, &got.bytes, &got.moment, &got.nothing))
		got.moment = got.moment.UTC()
		equal(fmt.Sprint(got), fmt.Sprint(each))
	}
	equal(rows.Next(), false)
	must(rows.Err())
}

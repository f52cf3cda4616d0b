package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// checkMode is what has to hold whichever way the driver speaks the protocol.
func checkMode(mode pgx.QueryExecMode) {
	in := func(what string, run func(ctx context.Context, conn *pgx.Conn)) {
		check(fmt.Sprintf("mode %q: %s", mode, what), func(ctx context.Context) {
			conn := connect(ctx, mode)
			defer conn.Close(ctx)
			run(ctx, conn)
			must(conn.Ping(ctx))
		})
	}

	in("sixteen clients use the same statements in many transactions, each gets its own answers",
		func(ctx context.Context, _ *pgx.Conn) {
			together(clients, func(client int) {
				conn := connect(ctx, mode)
				defer conn.Close(ctx)
				for i := range 25 {
					id := (client*7+i)%items + 1
					mustAnswer(ctx, conn, id)
					must(pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
						mustAnswer(ctx, tx, id)
						var product int
						err := tx.QueryRow(ctx, "select $1::int * $2::int", client, i).Scan(&product)
						equal(product, client*i)
						return err
					}))
				}
			})
		})

	in("values of all kinds come back as they were", checkValues)

	in("an error ends the transaction and nothing else", func(ctx context.Context, conn *pgx.Conn) {
		tx := get(conn.Begin(ctx))
		_, err := tx.Exec(ctx, "insert into pgx_items values ($1, $2)", items+1, "rolled back")
		must(err)
		savepoint := get(tx.Begin(ctx))
		_, err = savepoint.Exec(ctx, "insert into pgx_items values ($1, $2)", 1, "twice")
		mustFail(err, "23505")
		must(savepoint.Rollback(ctx))
		mustAnswer(ctx, tx, 1)
		_, err = tx.Exec(ctx, "select 1 / $1::int", 0)
		mustFail(err, "22012")
		_, err = tx.Exec(ctx, "select $1::int", 1)
		mustFail(err, "25P02")
		must(tx.Rollback(ctx))

		_, err = conn.Exec(ctx, "selekt $1", 1)
		mustFail(err, "42601")
		_, err = conn.Exec(ctx, "select * from pgx_nowhere where id = $1", 1)
		mustFail(err, "42P01")
		var count int
		must(conn.QueryRow(ctx, "select count(*) from pgx_items").Scan(&count))
		equal(count, items)
		mustAnswer(ctx, conn, 2)
	})

	in("a batch is answered in its order, and undone by an error in it", func(ctx context.Context, conn *pgx.Conn) {
		for range 5 {
			batch := &pgx.Batch{}
			for id := 1; id <= 20; id++ {
				batch.Queue("select name from pgx_items where id = $1", id)
				batch.Queue("select $1::text", itemName(id+1))
			}
			results := conn.SendBatch(ctx, batch)
			var name string
			for id := 1; id <= 20; id++ {
				must(results.QueryRow().Scan(&name))
				equal(name, itemName(id))
				must(results.QueryRow().Scan(&name))
				equal(name, itemName(id+1))
			}
			must(results.Close())
		}

		batch := &pgx.Batch{}
		batch.Queue("insert into pgx_items values ($1, $2)", items+1, "undone")
		batch.Queue("select 1 / $1::int", 0)
		batch.Queue("insert into pgx_items values ($1, $2)", items+2, "never done")
		mustFail(conn.SendBatch(ctx, batch).Close(), "22012")
		var count int
		must(conn.QueryRow(ctx, "select count(*) from pgx_items where id > $1", 0).Scan(&count))
		equal(count, items)
	})
}

type values struct {
	Big      int64
	Float    float64
	Yes      bool
	Text     string
	Bytes    []byte
	Amount   string
	Day      pgtype.Date
	Moment   time.Time
	Identity string
	Numbers  []int32
	Words    []*string
	Document string
	Nothing  *string
}

func checkValues(ctx context.Context, conn *pgx.Conn) {
	word := `a "word", {in} braces\`
	empty := ""
	want := []values{{
		Big:      -9_223_372_036_854_775_808,
		Float:    0.1,
		Yes:      true,
		Text:     "Žluťoučký kůň 🐎 'quoted' \\ $1 ; --",
		Bytes:    []byte{0, 1, 2, 39, 92, 127, 128, 255},
		Amount:   "-12345678901234567890.0123456789",
		Day:      pgtype.Date{Time: time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC), Valid: true},
		Moment:   time.Date(2024, 2, 29, 23, 59, 59, 999_999_000, time.UTC),
		Identity: "00112233-4455-6677-8899-aabbccddeeff",
		Numbers:  []int32{1, -2, 2_147_483_647},
		Words:    []*string{&word, nil, &empty},
		Document: `{"list": [1, null, true], "name": "Zoë"}`,
		Nothing:  nil,
	}, {
		Numbers:  []int32{},
		Bytes:    []byte{},
		Words:    []*string{},
		Amount:   "0",
		Day:      pgtype.Date{InfinityModifier: pgtype.Infinity, Valid: true},
		Moment:   time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		Identity: "ffffffff-ffff-ffff-ffff-ffffffffffff",
		Document: "{}",
		Nothing:  &empty,
	}}
	_, err := conn.Exec(ctx, "truncate pgx_values")
	must(err)
	for i, each := range want {
		_, err := conn.Exec(ctx, `insert into pgx_values
			values ($1, $2, $3, $4, $5, $6, $7::text::numeric, $8, $9, $10::text::uuid, $11, $12, $13, $14)`,
			i, each.Big, each.Float, each.Yes, each.Text, each.Bytes, each.Amount, each.Day, each.Moment,
			each.Identity, each.Numbers, each.Words, each.Document, each.Nothing)
		must(err)
	}
	rows := get(conn.Query(ctx, `select big, float, yes, text, bytes, amount::text, day, moment, identity::text, numbers,
		words, document::text, nothing from pgx_values where id >= $1 order by id`, 0))
	got := get(pgx.CollectRows(rows, pgx.RowToStructByPos[values]))
	equal(len(got), len(want))
	for i := range want {
		got[i].Moment = got[i].Moment.UTC()
		equal(got[i], want[i])
	}
}

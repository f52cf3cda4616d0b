package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

func checkStatements() {
	check("a hundred statements are prepared and closed, each of them while others work", func(ctx context.Context) {
		db := open("")
		defer db.Close()
		together(clients, func(client int) {
			for i := range 100 {
				statement := get(db.PrepareContext(ctx, fmt.Sprintf("select $1::int + %d", i)))
				var sum int
				must(statement.QueryRowContext(ctx, client).Scan(&sum))
				equal(sum, client+i)
				must(statement.Close())
			}
		})
	})

	check("a statement that cannot be prepared, and one that fails when it runs", func(ctx context.Context) {
		db := open("")
		defer db.Close()
		_, err := db.PrepareContext(ctx, "select * from database_sql_nowhere")
		mustFail(err, "42P01")
		divide := get(db.PrepareContext(ctx, "select 10 / $1::int"))
		defer divide.Close()
		for range 5 {
			var quotient int
			mustFail(divide.QueryRowContext(ctx, 0).Scan(&quotient), "22012")
			must(divide.QueryRowContext(ctx, 5).Scan(&quotient))
			equal(quotient, 2)
		}
	})

	check("statements prepared in a transaction, several at once, and used up to its end", func(ctx context.Context) {
		db := open("")
		defer db.Close()
		for range 3 {
			tx := get(db.BeginTx(ctx, nil))
			insert := get(tx.PrepareContext(ctx, "insert into database_sql_items values ($1, $2)"))
			remove := get(tx.PrepareContext(ctx, "delete from database_sql_items where id = $1"))
			for i := range 20 {
				get(insert.ExecContext(ctx, items+1+i, itemName(items+1+i)))
				mustAnswer(ctx, tx, items+1+i)
			}
			for i := range 20 {
				equal(get(get(remove.ExecContext(ctx, items+1+i)).RowsAffected()), 1)
			}
			must(tx.Commit())
			mustCount(ctx, db, "database_sql_items", items)
		}
	})

	check("rows that are read while other queries run on other connections", func(ctx context.Context) {
		db := open("")
		defer db.Close()
		rows := get(db.QueryContext(ctx, "select id, name from database_sql_items where id > $1 order by id", 0))
		defer rows.Close()
		for want := 1; want <= items; want++ {
			equal(rows.Next(), true)
			var id int
			var name string
			must(rows.Scan(&id, &name))
			equal(id, want)
			equal(name, itemName(want))
			mustAnswer(ctx, db, id)
		}
	})

	check("rows that are closed early, and a query that no one reads", func(ctx context.Context) {
		db := open("")
		defer db.Close()
		db.SetMaxOpenConns(1)
		for range 3 {
			rows := get(db.QueryContext(ctx, "select i from generate_series(1, $1::int) i", 50_000))
			equal(rows.Next(), true)
			must(rows.Close())
			rows = get(db.QueryContext(ctx, "select i from generate_series(1, $1::int) i", 50_000))
			must(rows.Close())
			mustAnswer(ctx, db, 3)
		}
	})

	check("COPY and a batch on the driver's own connection", func(ctx context.Context) {
		db := open("")
		defer db.Close()
		conn := get(db.Conn(ctx))
		defer conn.Close()
		must(conn.Raw(func(driverConn any) error {
			direct := driverConn.(*stdlib.Conn).Conn()
			return pgx.BeginFunc(ctx, direct, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, "create temporary table database_sql_copy (id int) on commit drop")
				must(err)
				source := pgx.CopyFromSlice(10_000, func(i int) ([]any, error) { return []any{i}, nil })
				equal(get(tx.CopyFrom(ctx, pgx.Identifier{"database_sql_copy"}, []string{"id"}, source)), 10_000)
				batch := &pgx.Batch{}
				batch.Queue("select sum(id) from database_sql_copy")
				batch.Queue("select $1::text", "second")
				results := tx.SendBatch(ctx, batch)
				var sum int
				var second string
				must(results.QueryRow().Scan(&sum))
				must(results.QueryRow().Scan(&second))
				equal(sum, 10_000*9_999/2)
				equal(second, "second")
				return results.Close()
			})
		}))
		mustAnswer(ctx, conn, 4)
	})

	check("one query in another mode, and arrays", func(ctx context.Context) {
		db := open("")
		defer db.Close()
		for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeSimpleProtocol} {
			var sum int
			row := db.QueryRowContext(ctx, "select sum(i) from unnest($1::int[]) i", mode, []int32{1, 2, 39})
			must(row.Scan(&sum))
			equal(sum, 42)
			mustAnswer(ctx, db, 5)
		}
	})

	check("a pool of pgx below database/sql", func(ctx context.Context) {
		pool := get(newPgxPool(ctx))
		defer pool.Close()
		db := stdlib.OpenDBFromPool(pool)
		defer db.Close()
		statement := get(db.PrepareContext(ctx, "select $1::text || '!'"))
		defer statement.Close()
		together(clients, func(client int) {
			for i := range 25 {
				var text string
				must(statement.QueryRowContext(ctx, fmt.Sprint(client, i)).Scan(&text))
				equal(text, fmt.Sprint(client, i)+"!")
				mustAnswer(ctx, db, i+1)
			}
		})
	})
}

package main

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

func checkEndings() {
	check("a deadline that passes cancels the query, also one that has had no server yet", func(ctx context.Context) {
		db := open("")
		defer db.Close()
		together(clients/2, func(int) {
			short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
			defer cancel()
			_, err := db.ExecContext(short, "insert into database_sql_late select 1 from pg_sleep(1)")
			equal(errors.Is(err, context.DeadlineExceeded), true)
		})
		for running := true; running; {
			must(db.QueryRowContext(ctx, `select exists(select from pg_stat_activity
				where query like 'insert into database_sql_late%' and state = 'active')`).Scan(&running))
		}
		mustCount(ctx, db, "database_sql_late", 0)
	})

	check("a context cancelled by the application cancels the query, and its transaction", func(ctx context.Context) {
		db := open("")
		defer db.Close()
		for range 3 {
			cancelled, cancel := context.WithCancel(ctx)
			tx := get(db.BeginTx(cancelled, nil))
			get(tx.ExecContext(ctx, "insert into database_sql_items values (-1, 'undone')"))
			together(2, func(i int) {
				if i == 0 {
					_, err := tx.ExecContext(cancelled, "select pg_sleep(60) /* database_sql */")
					equal(errors.Is(err, context.Canceled), true)
				} else {
					waitUntilItRuns(ctx, db, "select pg_sleep(60) /* database_sql */")
					cancel()
				}
			})
			equal(tx.Commit() != nil, true)
			mustCount(ctx, db, "database_sql_items", items)
		}
	})

	check("the pool connects anew when its connections were ended", func(ctx context.Context) {
		db := open("")
		defer db.Close()
		statement := get(db.PrepareContext(ctx, "select $1::int"))
		defer statement.Close()
		for i := range 5 {
			_, err := db.ExecContext(ctx, "select pg_terminate_backend(pg_backend_pid())")
			mustFail(err, "57P01")
			var number int
			must(statement.QueryRowContext(ctx, i).Scan(&number))
			equal(number, i)
		}
	})

	check("connections of short lives", func(ctx context.Context) {
		db := open("")
		defer db.Close()
		db.SetMaxIdleConns(0)
		statement := get(db.PrepareContext(ctx, "select $1::int"))
		defer statement.Close()
		together(clients, func(client int) {
			for i := range 10 {
				var number int
				must(statement.QueryRowContext(ctx, i).Scan(&number))
				equal(number, i)
				mustAnswer(ctx, db, client+i+1)
			}
		})
		equal(db.Stats().OpenConnections, 0)
	})
}

func newPgxPool(ctx context.Context) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig("")
	if err != nil {
		return nil, err
	}
	config.MaxConns = clients
	return pgxpool.NewWithConfig(ctx, config)
}

// waitUntilItRuns returns when a session runs a query of that text.
func waitUntilItRuns(ctx context.Context, db *sql.DB, text string) {
	for running := false; !running; {
		must(db.QueryRowContext(ctx, `select exists(select from pg_stat_activity where query = $1 and state = 'active'
			and wait_event = 'PgSleep')`, text).Scan(&running))
	}
}

package main

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

func checkEndings() {
	check("a pool of sixteen: transactions that commit and that roll back, from all at once", func(ctx context.Context) {
		pool := newPool(ctx)
		defer pool.Close()
		_, err := pool.Exec(ctx, "drop table if exists pgx_tally; create table pgx_tally (client int, i int)")
		must(err)
		undone := errors.New("undone")
		together(clients, func(client int) {
			for i := range 30 {
				err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
					_, err := tx.Exec(ctx, "insert into pgx_tally values ($1, $2)", client, i)
					must(err)
					mustAnswer(ctx, tx, i+1)
					if i%3 == 0 {
						return undone
					}
					return nil
				})
				equal(errors.Is(err, undone), i%3 == 0)
			}
		})
		rows := get(pool.Query(ctx, "select count(*) from pgx_tally group by client"))
		counts := get(pgx.CollectRows(rows, pgx.RowTo[int]))
		equal(len(counts), clients)
		for _, count := range counts {
			equal(count, 20)
		}
	})

	check("a deadline that passes cancels the query, also one that has had no server yet", func(ctx context.Context) {
		pool := newPool(ctx)
		defer pool.Close()
		_, err := pool.Exec(ctx, "drop table if exists pgx_late; create table pgx_late (id int)")
		must(err)
		together(clients/2, func(int) {
			short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
			defer cancel()
			_, err := pool.Exec(short, "insert into pgx_late select 1 from pg_sleep(1)")
			equal(errors.Is(err, context.DeadlineExceeded), true)
		})
		pool.Reset()
		for running := true; running; {
			must(pool.QueryRow(ctx, `select exists(select from pg_stat_activity
				where query like 'insert into pgx_late%' and state = 'active')`).Scan(&running))
		}
		var late int
		must(pool.QueryRow(ctx, "select count(*) from pgx_late").Scan(&late))
		equal(late, 0)
	})

	check("a context cancelled by the application cancels the query and keeps the connection", func(ctx context.Context) {
		config := get(pgx.ParseConfig(""))
		config.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
			return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: 10 * time.Second}
		}
		conn := get(pgx.ConnectConfig(ctx, config))
		defer conn.Close(ctx)
		for range 3 {
			cancelled, cancel := context.WithCancel(ctx)
			together(2, func(i int) {
				if i == 0 {
					_, err := conn.Exec(cancelled, "select pg_sleep(60) /* pgx context */")
					mustFail(err, "57014")
				} else {
					waitUntilItRuns(ctx, "select pg_sleep(60) /* pgx context */")
					cancel()
				}
			})
			mustAnswer(ctx, conn, 8)
		}
	})

	check("a cancel request ends the query of its connection, in a transaction too", func(ctx context.Context) {
		conn := connect(ctx, pgx.QueryExecModeCacheStatement)
		defer conn.Close(ctx)
		tx := get(conn.Begin(ctx))
		together(2, func(i int) {
			if i == 0 {
				_, err := tx.Exec(ctx, "select pg_sleep(60) /* pgx request */")
				mustFail(err, "57014")
			} else {
				waitUntilItRuns(ctx, "select pg_sleep(60) /* pgx request */")
				must(conn.PgConn().CancelRequest(ctx))
			}
		})
		equal(conn.PgConn().TxStatus(), byte('E'))
		must(tx.Rollback(ctx))
		mustAnswer(ctx, conn, 9)
	})

	check("statement_timeout in a transaction ends its query, and holds for no other", func(ctx context.Context) {
		pool := newPool(ctx)
		defer pool.Close()
		for range 5 {
			err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, "set local statement_timeout = '20ms'")
				must(err)
				_, err = tx.Exec(ctx, "select pg_sleep(60)")
				return err
			})
			mustFail(err, "57014")
		}
		together(clients, func(int) {
			var timeout string
			must(pool.QueryRow(ctx, "show statement_timeout").Scan(&timeout))
			equal(timeout, "0")
		})
	})

	check("a pool connects anew when its connections were ended", func(ctx context.Context) {
		pool := newPool(ctx)
		defer pool.Close()
		for range 5 {
			_, err := pool.Exec(ctx, "select pg_terminate_backend(pg_backend_pid())")
			mustFail(err, "57P01")
			mustAnswer(ctx, pool, 10)
		}
		pool.Reset()
		together(clients, func(client int) { mustAnswer(ctx, pool, client+1) })
	})

	check("connections that come and go, sixteen at once", func(ctx context.Context) {
		together(clients, func(client int) {
			for i := range 10 {
				conn := connect(ctx, pgx.QueryExecModeCacheStatement)
				if i%2 == 0 {
					get(conn.Begin(ctx)) // left open
				}
				mustAnswer(ctx, conn, client+i+1)
				must(conn.Close(ctx))
			}
		})
	})

	check("a wrong password is refused", func(ctx context.Context) {
		config := get(pgx.ParseConfig(""))
		config.Password = "wrong"
		_, err := pgx.ConnectConfig(ctx, config)
		mustFail(err, "28P01")
	})
}

// waitUntilItRuns returns when a session runs a query of that text.
func waitUntilItRuns(ctx context.Context, text string) {
	conn := connect(ctx, pgx.QueryExecModeCacheStatement)
	defer conn.Close(ctx)
	for running := false; !running; {
		must(conn.QueryRow(ctx, `select exists(select from pg_stat_activity where query = $1 and state = 'active'
			and wait_event = 'PgSleep')`, text).Scan(&running))
	}
}

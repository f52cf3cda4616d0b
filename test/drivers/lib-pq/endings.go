package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"time"
)

func checkEndings() {
	check("transactions that commit and that roll back, from sixteen at once", func(ctx context.Context) {
		db := open("")
		defer db.Close()
		get(db.ExecContext(ctx, "drop table if exists lib_pq_tally; create table lib_pq_tally (client int, i int)"))
		together(clients, func(client int) {
			for i := range 30 {
				tx := get(db.BeginTx(ctx, nil))
				get(tx.ExecContext(ctx, "insert into lib_pq_tally values ($1, $2)", client, i))
				mustAnswer(ctx, tx, i+1)
				if i%3 == 0 {
					must(tx.Rollback())
				} else {
					must(tx.Commit())
				}
			}
		})
		var lines, clientsWith20 int
		must(db.QueryRowContext(ctx, `select sum(n), count(*) filter (where n = 20)
			from (select count(*) n from lib_pq_tally group by client) t`).Scan(&lines, &clientsWith20))
		equal(lines, clients*20)
		equal(clientsWith20, clients)
	})

	check("transactions of each kind", func(ctx context.Context) {
		db := open("")
		defer db.Close()
		for level, want := range map[sql.IsolationLevel]string{
			sql.LevelDefault:        "read committed",
			sql.LevelRepeatableRead: "repeatable read",
			sql.LevelSerializable:   "serializable",
		} {
			for _, readOnly := range []bool{false, true} {
				tx := get(db.BeginTx(ctx, &sql.TxOptions{Isolation: level, ReadOnly: readOnly}))
				var isolation string
				var isReadOnly bool
				must(tx.QueryRowContext(ctx, `select current_setting('transaction_isolation'),
					current_setting('transaction_read_only')::bool`).Scan(&isolation, &isReadOnly))
				equal(isolation, want)
				equal(isReadOnly, readOnly)
				must(tx.Commit())
			}
		}
		must(get(db.BeginTx(ctx, nil)).Commit()) // nothing happened in it
	})

	check("a deadline that passes cancels the query, also one that has had no server yet", func(ctx context.Context) {
		db := open("")
		defer db.Close()
		together(clients/2, func(int) {
			short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
			defer cancel()
			_, err := db.ExecContext(short, "insert into lib_pq_late select 1 from pg_sleep(1)")
			mustBeCancelled(err)
		})
		for running := true; running; {
			must(db.QueryRowContext(ctx, `select exists(select from pg_stat_activity
				where query like 'insert into lib_pq_late%' and state = 'active')`).Scan(&running))
		}
		var late int
		must(db.QueryRowContext(ctx, "select count(*) from lib_pq_late").Scan(&late))
		equal(late, 0)
	})

	check("a context cancelled by the application cancels the query, and its transaction", func(ctx context.Context) {
		db := open("")
		defer db.Close()
		for range 3 {
			cancelled, cancel := context.WithCancel(ctx)
			tx := get(db.BeginTx(cancelled, nil))
			get(tx.ExecContext(ctx, "insert into lib_pq_items values (-1, 'undone')"))
			together(2, func(i int) {
				if i == 0 {
					_, err := tx.ExecContext(cancelled, "select pg_sleep(60) /* lib-pq */")
					mustBeCancelled(err)
				} else {
					waitUntilItRuns(ctx, db, "select pg_sleep(60) /* lib-pq */")
					cancel()
				}
			})
			equal(tx.Commit() != nil, true)
			var count int
			must(db.QueryRowContext(ctx, "select count(*) from lib_pq_items").Scan(&count))
			equal(count, items)
		}
	})

	check("statement_timeout in a transaction ends its query, and holds for no other", func(ctx context.Context) {
		db := open("")
		defer db.Close()
		for range 5 {
			tx := get(db.BeginTx(ctx, nil))
			get(tx.ExecContext(ctx, "set local statement_timeout = '20ms'"))
			_, err := tx.ExecContext(ctx, "select pg_sleep($1)", 60)
			mustFail(err, "57014")
			must(tx.Rollback())
		}
		together(clients, func(int) {
			var timeout string
			must(db.QueryRowContext(ctx, "show statement_timeout").Scan(&timeout))
			equal(timeout, "0")
		})
	})

	check("the pool connects anew when its connections were ended", func(ctx context.Context) {
		db := open("")
		defer db.Close()
		for range 5 {
			_, err := db.ExecContext(ctx, "select pg_terminate_backend(pg_backend_pid())")
			equal(errors.Is(err, driver.ErrBadConn), true) // what the driver makes of 57P01
			mustAnswer(ctx, db, 7)
		}
	})

	check("connections that come and go, sixteen at once", func(ctx context.Context) {
		together(clients, func(client int) {
			for i := range 10 {
				db := open("")
				mustAnswer(ctx, db, client+i+1)
				must(db.Close())
			}
		})
	})

	check("a client that asks for protocol 3.2 is understood", func(ctx context.Context) {
		db := open("max_protocol_version=latest")
		defer db.Close()
		mustAnswer(ctx, db, 8)
		mustAnswer(ctx, db, 9)
	})

	check("a wrong password is refused", func(ctx context.Context) {
		db := open("password=wrong")
		defer db.Close()
		mustFail(db.PingContext(ctx), "28P01")
	})
}

// mustBeCancelled wants PostgreSQL's word for it, or the context's, whichever came first.
func mustBeCancelled(err error) {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return
	}
	mustFail(err, "57014")
}

// waitUntilItRuns returns when a session runs a query of that text.
func waitUntilItRuns(ctx context.Context, db *sql.DB, text string) {
	for running := false; !running; {
		must(db.QueryRowContext(ctx, `select exists(select from pg_stat_activity where query = $1 and state = 'active'
			and wait_event = 'PgSleep')`, text).Scan(&running))
	}
}

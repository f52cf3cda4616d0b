package main

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/lib/pq"
)

func checkCopy() {
	check("COPY in: fifty thousand rows of several types", func(ctx context.Context) {
		db := open("")
		defer db.Close()
		const rows = 50_000
		start := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
		inTransaction(ctx, db, func(tx *sql.Tx) {
			get(tx.ExecContext(ctx, "truncate lib_pq_rows"))
			copyIn := get(tx.PrepareContext(ctx, pq.CopyIn("lib_pq_rows", "id", "name", "moment", "bytes")))
			for i := range rows {
				var name any
				if i%3 != 0 {
					name = fmt.Sprintf("name\t%d\\", i)
				}
				get(copyIn.ExecContext(ctx, i, name, start.Add(time.Duration(i)*time.Second), []byte{byte(i), 0}))
			}
			equal(get(get(copyIn.ExecContext(ctx)).RowsAffected()), rows)
			must(copyIn.Close())
		})
		var count, names int
		var last time.Time
		must(db.QueryRowContext(ctx, `select count(*), count(name), max(moment) from lib_pq_rows
			where bytes = set_byte('\x0000', 0, id % 256) and (name is null or name = format(E'name\t%s\\', id))
			`).Scan(&count, &names, &last))
		equal(count, rows)
		equal(names, rows-rows/3-1)
		equal(last.UTC(), start.Add((rows-1)*time.Second))
	})

	check("COPY in that PostgreSQL refuses, and that the application gives up", func(ctx context.Context) {
		db := open("")
		defer db.Close()
		conn := get(db.Conn(ctx))
		defer conn.Close()
		copyIn := func(tx *sql.Tx) *sql.Stmt {
			return get(tx.PrepareContext(ctx, pq.CopyIn("lib_pq_items", "id", "name")))
		}

		tx := get(conn.BeginTx(ctx, nil))
		statement := copyIn(tx)
		var err error
		for i := 0; i < 100_000 && err == nil; i++ {
			_, err = statement.ExecContext(ctx, 1, "twice")
		}
		if err == nil {
			_, err = statement.ExecContext(ctx)
		}
		mustFail(err, "23505")
		statement.Close() // says it once more
		must(tx.Rollback())
		mustAnswer(ctx, conn, 5)

		tx = get(conn.BeginTx(ctx, nil))
		statement = copyIn(tx)
		for i := range 10_000 {
			get(statement.ExecContext(ctx, items+1+i, "rolled back"))
		}
		must(statement.Close()) // without the last Exec
		must(tx.Rollback())
		mustAnswer(ctx, conn, 6)
		var count int
		must(conn.QueryRowContext(ctx, "select count(*) from lib_pq_items").Scan(&count))
		equal(count, items)
	})

	check("several statements in one simple query give several results", func(ctx context.Context) {
		db := open("")
		defer db.Close()
		rows := get(db.QueryContext(ctx, "select 1; select 'two', 2 where false; select 3 from generate_series(1, 3)"))
		defer rows.Close()
		var counts []int
		for more := true; more; more = rows.NextResultSet() {
			count := 0
			for rows.Next() {
				count++
			}
			counts = append(counts, count)
		}
		must(rows.Err())
		equal(counts, []int{1, 0, 3})

		_, err := db.ExecContext(ctx, "insert into lib_pq_items values (-1, 'undone'); select 1 / 0")
		mustFail(err, "22012")
		var count int
		must(db.QueryRowContext(ctx, "select count(*) from lib_pq_items").Scan(&count))
		equal(count, items)
	})

	check("a cursor is read in steps in its transaction", func(ctx context.Context) {
		db := open("")
		defer db.Close()
		for range 2 {
			inTransaction(ctx, db, func(tx *sql.Tx) {
				get(tx.ExecContext(ctx, "declare walk cursor for select id from lib_pq_items order by id"))
				fetch := get(tx.PrepareContext(ctx, "fetch 30 from walk"))
				for first := 1; first <= items; first += 30 {
					rows := get(fetch.QueryContext(ctx))
					want := first
					for rows.Next() {
						var id int
						must(rows.Scan(&id))
						equal(id, want)
						want++
					}
					must(rows.Err())
					equal(want, min(first+30, items+1))
				}
			})
		}
	})

	check("notices come with the answer that they belong to", func(ctx context.Context) {
		var notices []string
		connector := pq.ConnectorWithNoticeHandler(get(pq.NewConnector("")), func(notice *pq.Error) {
			notices = append(notices, notice.Message)
		})
		db := sql.OpenDB(connector)
		defer db.Close()
		db.SetMaxOpenConns(1)
		for i := range 3 {
			get(db.ExecContext(ctx, fmt.Sprintf("do $$ begin raise notice 'notice %d'; end $$", i)))
		}
		equal(notices, []string{"notice 0", "notice 1", "notice 2"})
	})
}

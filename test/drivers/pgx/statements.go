package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

func checkStatements() {
	check("statements prepared by name are used in many transactions", func(ctx context.Context) {
		together(clients, func(client int) {
			conn := connect(ctx, pgx.QueryExecModeCacheStatement)
			defer conn.Close(ctx)
			// The clients give the same name to statements that differ.
			text := fmt.Sprintf("select %d + $1::int", client)
			description := get(conn.Prepare(ctx, "the statement", text))
			equal(len(description.ParamOIDs), 1)
			for i := range 25 {
				var sum int
				must(conn.QueryRow(ctx, "the statement", i).Scan(&sum))
				equal(sum, client+i)
			}
			must(conn.Deallocate(ctx, "the statement"))
			get(conn.Prepare(ctx, "the statement", "select $1::text || '!'"))
			var word string
			must(conn.QueryRow(ctx, "the statement", "again").Scan(&word))
			equal(word, "again!")
		})
	})

	check("statements are gone after DEALLOCATE ALL, and can be prepared again", func(ctx context.Context) {
		conn := connect(ctx, pgx.QueryExecModeCacheStatement)
		defer conn.Close(ctx)
		get(conn.Prepare(ctx, "gone", "select 1"))
		mustAnswer(ctx, conn, 1)
		must(conn.DeallocateAll(ctx))
		_, err := conn.PgConn().ExecPrepared(ctx, "gone", nil, nil, nil).Close()
		mustFail(err, "26000")
		mustAnswer(ctx, conn, 1)
		get(conn.Prepare(ctx, "gone", "select 2"))
		var number int
		must(conn.QueryRow(ctx, "gone").Scan(&number))
		equal(number, 2)
	})

	check("a cache of two statements gives way to five", func(ctx context.Context) {
		config := get(pgx.ParseConfig(""))
		config.StatementCacheCapacity = 2
		conn := get(pgx.ConnectConfig(ctx, config))
		defer conn.Close(ctx)
		for i := range 25 {
			var sum int
			must(conn.QueryRow(ctx, fmt.Sprintf("select $1::int + %d", i%5), i).Scan(&sum))
			equal(sum, i+i%5)
		}
	})

	for _, mode := range []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement,
		pgx.QueryExecModeCacheDescribe,
	} {
		what := fmt.Sprintf("mode %q: after a table's change a cached statement fails once, then works", mode)
		check(what, func(ctx context.Context) { checkTableChange(ctx, mode) })
	}

	check("a cursor is read in steps in its transaction", func(ctx context.Context) {
		conn := connect(ctx, pgx.QueryExecModeCacheStatement)
		defer conn.Close(ctx)
		for range 2 {
			must(pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, "declare walk cursor for select id from pgx_items order by id")
				must(err)
				for first := 1; first <= items; first += 30 {
					rows := get(tx.Query(ctx, "fetch 30 from walk"))
					ids := get(pgx.CollectRows(rows, pgx.RowTo[int]))
					equal(ids[0], first)
					equal(len(ids), min(30, items-first+1))
				}
				return nil
			}))
		}
	})

	check("rows that the application does not want to read to their end", func(ctx context.Context) {
		conn := connect(ctx, pgx.QueryExecModeCacheStatement)
		defer conn.Close(ctx)
		for range 3 {
			rows := get(conn.Query(ctx, "select i from generate_series(1, $1::int) i", 20_000))
			equal(rows.Next(), true)
			rows.Close()
			must(rows.Err())
			mustAnswer(ctx, conn, 3)
		}
	})

	check("several statements in one simple query are answered one by one", func(ctx context.Context) {
		conn := connect(ctx, pgx.QueryExecModeSimpleProtocol)
		defer conn.Close(ctx)
		results := get(conn.PgConn().Exec(ctx, `begin; select 1; select 'two', null where false; commit; select 3;
			insert into pgx_items values (-1, 'x'); delete from pgx_items where id = -1`).ReadAll())
		tags := make([]string, len(results))
		for i, each := range results {
			tags[i] = each.CommandTag.String()
		}
		equal(tags, []string{"BEGIN", "SELECT 1", "SELECT 0", "COMMIT", "SELECT 1", "INSERT 0 1", "DELETE 1"})
		equal(string(results[4].Rows[0][0]), "3")

		reader := conn.PgConn().Exec(ctx, "select 1; select 1 / 0; select 2")
		results, err := reader.ReadAll()
		mustFail(err, "22012")
		equal(string(results[0].Rows[0][0]), "1")
		equal(conn.PgConn().TxStatus(), byte('I'))
	})

	check("transactions of each kind", func(ctx context.Context) {
		pool := newPool(ctx)
		defer pool.Close()
		for _, options := range []pgx.TxOptions{
			{IsoLevel: pgx.Serializable, AccessMode: pgx.ReadOnly, DeferrableMode: pgx.Deferrable},
			{IsoLevel: pgx.RepeatableRead},
			{},
		} {
			must(pgx.BeginTxFunc(ctx, pool, options, func(tx pgx.Tx) error {
				var level, readOnly string
				must(tx.QueryRow(ctx, `select current_setting('transaction_isolation'),
					current_setting('transaction_read_only')`).Scan(&level, &readOnly))
				want := options.IsoLevel
				if want == "" {
					want = pgx.ReadCommitted
				}
				equal(level, string(want))
				equal(readOnly == "on", options.AccessMode == pgx.ReadOnly)
				return nil
			}))
		}
		tx := get(pool.Begin(ctx))
		must(tx.Commit(ctx)) // nothing happened in it
		equal(tx.Commit(ctx), error(pgx.ErrTxClosed))
	})
}

func checkTableChange(ctx context.Context, mode pgx.QueryExecMode) {
	conn, other := connect(ctx, mode), connect(ctx, mode)
	defer conn.Close(ctx)
	defer other.Close(ctx)
	execute := func(sql string) {
		_, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
		must(err)
	}
	read := func(conn *pgx.Conn) ([]map[string]any, error) {
		rows, err := conn.Query(ctx, "select * from pgx_shape")
		must(err)
		return pgx.CollectRows(rows, pgx.RowToMap)
	}
	execute("drop table if exists pgx_shape; create table pgx_shape (id int); insert into pgx_shape values (1)")
	before := []map[string]any{{"id": int32(1)}}
	equal(get(read(conn)), before)
	equal(get(read(other)), before)
	execute("alter table pgx_shape add word text default 'w'")
	after := []map[string]any{{"id": int32(1), "word": "w"}}
	for _, each := range []*pgx.Conn{conn, other} {
		// The driver forgets the statement when it has failed, and prepares or describes it anew.
		if rows, err := read(each); err == nil {
			equal(rows, after)
		}
		for range 5 {
			equal(get(read(each)), after)
		}
	}
}

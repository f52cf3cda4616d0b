package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const large = 5_000_000

func checkData() {
	check("COPY in: a hundred thousand rows of several types, in binary", func(ctx context.Context) {
		pool := newPool(ctx)
		defer pool.Close()
		const rows = 100_000
		start := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
		row := func(i int) []any {
			var name any
			if i%3 != 0 {
				name = fmt.Sprint("name ", i)
			}
			return []any{i, name, start.Add(time.Duration(i) * time.Second), []byte{byte(i), 0}}
		}
		must(pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "truncate pgx_rows")
			must(err)
			columns := []string{"id", "name", "moment", "bytes"}
			source := pgx.CopyFromSlice(rows, func(i int) ([]any, error) { return row(i), nil })
			equal(get(tx.CopyFrom(ctx, pgx.Identifier{"pgx_rows"}, columns, source)), rows)
			return nil
		}))
		var count, names int
		var last time.Time
		must(pool.QueryRow(ctx, `select count(*), count(name), max(moment) from pgx_rows
			where bytes = set_byte('\x0000', 0, id % 256)`).Scan(&count, &names, &last))
		equal(count, rows)
		equal(names, rows-rows/3-1)
		equal(last.UTC(), row(rows - 1)[2].(time.Time))
	})

	check("COPY in that PostgreSQL refuses, and that the application gives up", func(ctx context.Context) {
		conn := connect(ctx, pgx.QueryExecModeCacheStatement)
		defer conn.Close(ctx)
		copyFrom := func(row func(i int) ([]any, error)) error {
			source := pgx.CopyFromSlice(50_000, row)
			_, err := conn.CopyFrom(ctx, pgx.Identifier{"pgx_items"}, []string{"id", "name"}, source)
			mustAnswer(ctx, conn, 5)
			return err
		}
		mustFail(copyFrom(func(i int) ([]any, error) { return []any{1, "twice"}, nil }), "23505")
		mustFail(copyFrom(func(i int) ([]any, error) { return []any{items + 1 + i, nil}, nil }), "23502")
		mustFail(copyFrom(func(i int) ([]any, error) {
			if i == 40_000 {
				return nil, errors.New("enough")
			}
			return []any{items + 1 + i, "given up"}, nil
		}), "57014")
		var count int
		must(conn.QueryRow(ctx, "select count(*) from pgx_items").Scan(&count))
		equal(count, items)
	})

	check("COPY out and COPY in as text", func(ctx context.Context) {
		conn := connect(ctx, pgx.QueryExecModeCacheStatement)
		defer conn.Close(ctx)
		var out bytes.Buffer
		tag := get(conn.PgConn().CopyTo(ctx, &out, `copy (select i, 'line ' || i, null
			from generate_series(1, 50000) i) to stdout`))
		equal(tag.RowsAffected(), 50_000)
		lines := strings.Split(out.String(), "\n")
		equal(len(lines), 50_001)
		equal(lines[49_999], `50000	line 50000	\N`)

		must(pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "create temporary table pgx_lines (i int, line text, n int) on commit drop")
			must(err)
			equal(get(conn.PgConn().CopyFrom(ctx, &out, "copy pgx_lines from stdin")).RowsAffected(), 50_000)
			var sum int
			must(tx.QueryRow(ctx, "select sum(i) from pgx_lines where line = 'line ' || i").Scan(&sum))
			equal(sum, 50_000*50_001/2)
			return nil
		}))

		_, err := conn.PgConn().CopyTo(ctx, io.Discard, "copy (select 1 / (3 - i) from generate_series(1, 9) i) to stdout")
		mustFail(err, "22012")
		mustAnswer(ctx, conn, 6)
	})

	check("values of five megabytes, there and back", func(ctx context.Context) {
		text := strings.Repeat("něco ", large/6)
		data := bytes.Repeat([]byte{0, 1, 2, 254, 255}, large/5)
		for _, mode := range []pgx.QueryExecMode{
			pgx.QueryExecModeCacheStatement,
			pgx.QueryExecModeExec,
			pgx.QueryExecModeSimpleProtocol,
		} {
			conn := connect(ctx, mode)
			var gotText string
			var gotData []byte
			var characters int
			row := conn.QueryRow(ctx, "select $1::text, $2::bytea, length($1::text)", text, data)
			must(row.Scan(&gotText, &gotData, &characters))
			equal(gotText == text, true)
			equal(bytes.Equal(gotData, data), true)
			equal(characters, large/6*5)
			mustAnswer(ctx, conn, 7)
			must(conn.Close(ctx))
		}
	})

	check("large objects are written, read in places and cut in transactions", func(ctx context.Context) {
		conn := connect(ctx, pgx.QueryExecModeCacheStatement)
		defer conn.Close(ctx)
		data := bytes.Repeat([]byte("0123456789"), 100_000)
		var oid uint32
		must(pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			objects := tx.LargeObjects()
			oid = get(objects.Create(ctx, 0))
			object := get(objects.Open(ctx, oid, pgx.LargeObjectModeRead|pgx.LargeObjectModeWrite))
			equal(get(object.Write(data)), len(data))
			equal(get(object.Tell()), int64(len(data)))
			return object.Close()
		}))
		must(pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			objects := tx.LargeObjects()
			object := get(objects.Open(ctx, oid, pgx.LargeObjectModeRead|pgx.LargeObjectModeWrite))
			equal(sha256.Sum256(get(io.ReadAll(object))), sha256.Sum256(data))
			equal(get(object.Seek(-7, io.SeekEnd)), int64(len(data)-7))
			equal(string(get(io.ReadAll(object))), "3456789")
			must(object.Truncate(3))
			get(object.Seek(0, io.SeekStart))
			equal(string(get(io.ReadAll(object))), "012")
			return nil
		}))
		must(pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			objects := tx.LargeObjects()
			return objects.Unlink(ctx, oid)
		}))
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			objects := tx.LargeObjects()
			_, err := objects.Open(ctx, oid, pgx.LargeObjectModeRead)
			return err
		})
		mustFail(err, "42704")
	})
}

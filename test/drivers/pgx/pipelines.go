package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func checkPipelines() {
	in := func(what string, run func(ctx context.Context, conn *pgx.Conn)) {
		check("pipeline: "+what, func(ctx context.Context) {
			conn := connect(ctx, pgx.QueryExecModeCacheStatement)
			defer conn.Close(ctx)
			run(ctx, conn)
			mustAnswer(ctx, conn, 1)
		})
	}

	in("statements prepared, described, run and dropped, over several Syncs", func(ctx context.Context, conn *pgx.Conn) {
		for round := range 3 {
			pipeline := conn.PgConn().StartPipeline(ctx)
			name := fmt.Sprint("statement ", round)
			pipeline.SendPrepare(name, "select $1::text || 's'", nil)
			pipeline.SendQueryPrepared(name, [][]byte{[]byte("one")}, nil, nil)
			must(pipeline.Sync())
			pipeline.SendQueryPrepared(name, [][]byte{[]byte("two")}, nil, nil)
			pipeline.SendQueryParams("select $1::int + 1", [][]byte{[]byte("41")}, nil, nil, nil)
			pipeline.SendDeallocate(name)
			must(pipeline.Sync())

			equal(next[*pgconn.StatementDescription](pipeline).ParamOIDs, []uint32{25})
			equal(read(pipeline), "ones")
			next[*pgconn.PipelineSync](pipeline)
			equal(read(pipeline), "twos")
			equal(read(pipeline), "42")
			next[*pgconn.CloseComplete](pipeline)
			next[*pgconn.PipelineSync](pipeline)
			must(pipeline.Close())
		}
	})

	in("answers come after a Flush, before any Sync", func(ctx context.Context, conn *pgx.Conn) {
		pipeline := conn.PgConn().StartPipeline(ctx)
		for i := range 10 {
			pipeline.SendQueryParams("select $1::int * 2", [][]byte{fmt.Append(nil, i)}, nil, nil, nil)
			pipeline.SendFlushRequest()
			must(pipeline.Flush())
			equal(read(pipeline), fmt.Sprint(i*2))
		}
		must(pipeline.Sync())
		next[*pgconn.PipelineSync](pipeline)
		must(pipeline.Close())
	})

	in("after an error the rest up to the Sync is skipped", func(ctx context.Context, conn *pgx.Conn) {
		pipeline := conn.PgConn().StartPipeline(ctx)
		pipeline.SendQueryParams("select 1", nil, nil, nil, nil)
		pipeline.SendQueryParams("select 1 / 0", nil, nil, nil, nil)
		pipeline.SendQueryParams("select 'skipped'", nil, nil, nil, nil)
		pipeline.SendPrepare("skipped", "select 'skipped'", nil)
		pipeline.SendPipelineSync()
		pipeline.SendQueryParams("select 'run'", nil, nil, nil, nil)
		must(pipeline.Sync())

		equal(read(pipeline), "1")
		result, err := pipeline.GetResults()
		if err == nil {
			err = result.(*pgconn.ResultReader).Read().Err
		}
		mustFail(err, "22012")
		next[*pgconn.PipelineSync](pipeline)
		equal(read(pipeline), "run")
		next[*pgconn.PipelineSync](pipeline)
		must(pipeline.Close())

		_, err = conn.PgConn().ExecPrepared(ctx, "skipped", nil, nil, nil).Close()
		mustFail(err, "26000")
	})

	in("a transaction over several Syncs, committed in the pipeline", func(ctx context.Context, conn *pgx.Conn) {
		pipeline := conn.PgConn().StartPipeline(ctx)
		for _, sql := range []string{
			"begin",
			"create temporary table pgx_step (id int) on commit drop",
			"insert into pgx_step values (1), (2)",
			"select count(*) from pgx_step",
			"commit",
			"select count(*) from pgx_items",
		} {
			pipeline.SendQueryParams(sql, nil, nil, nil, nil)
			pipeline.SendPipelineSync()
		}
		must(pipeline.Flush())
		for _, want := range []string{"", "", "", "2", "", fmt.Sprint(items)} {
			equal(read(pipeline), want)
			next[*pgconn.PipelineSync](pipeline)
		}
		must(pipeline.Close())
	})

	check("pipeline: sixteen clients with five hundred queries each", func(ctx context.Context) {
		together(clients, func(client int) {
			conn := connect(ctx, pgx.QueryExecModeCacheStatement)
			defer conn.Close(ctx)
			pipeline := conn.PgConn().StartPipeline(ctx)
			for i := range 500 {
				pipeline.SendQueryParams("select $1::int", [][]byte{fmt.Append(nil, client*1000+i)}, nil, nil, nil)
				if i%50 == 49 {
					pipeline.SendPipelineSync()
				}
			}
			must(pipeline.Flush())
			for i := range 500 {
				equal(read(pipeline), fmt.Sprint(client*1000+i))
				if i%50 == 49 {
					next[*pgconn.PipelineSync](pipeline)
				}
			}
			must(pipeline.Close())
		})
	})
}

// next is the pipeline's next answer, which must be of that type.
func next[T any](pipeline *pgconn.Pipeline) T {
	results := get(pipeline.GetResults())
	wanted, is := results.(T)
	if !is {
		panic(failure(fmt.Sprintf("got %T, want %T", results, wanted)))
	}
	return wanted
}

// read is the first value of the next answer, empty if it has no rows.
func read(pipeline *pgconn.Pipeline) string {
	result := next[*pgconn.ResultReader](pipeline).Read()
	must(result.Err)
	if len(result.Rows) == 0 {
		return ""
	}
	return string(result.Rows[0][0])
}

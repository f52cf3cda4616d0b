// What an application does with pgx v5, in each of its query modes, through the pooler.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// items is how many rows pgx_items has: (1, 'item 1'), …
	items = 100
	// clients are more than the pooler has servers.
	clients = 16
)

func main() {
	fmt.Println("driver pgx", version("github.com/jackc/pgx/v5"))
	if err := makeTables(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, mode := range []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement,
		pgx.QueryExecModeCacheDescribe,
		pgx.QueryExecModeDescribeExec,
		pgx.QueryExecModeExec,
		pgx.QueryExecModeSimpleProtocol,
	} {
		checkMode(mode)
	}
	checkStatements()
	checkPipelines()
	checkData()
	checkEndings()
}

func version(module string) string {
	build, _ := debug.ReadBuildInfo()
	for _, each := range build.Deps {
		if each.Path == module {
			return each.Version
		}
	}
	return "unknown"
}

func makeTables(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, "")
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, fmt.Sprintf(`
		drop table if exists pgx_items, pgx_values, pgx_rows;
		create table pgx_items (id int primary key, name text not null);
		insert into pgx_items select i, 'item ' || i from generate_series(1, %d) i;
		create table pgx_values (
			id int primary key, big bigint, float float8, yes bool, text text, bytes bytea, amount numeric, day date,
			moment timestamptz, identity uuid, numbers int[], words text[], document jsonb, nothing text
		);
		create table pgx_rows (id int primary key, name text, moment timestamptz, bytes bytea);
	`, items))
	return err
}

// connect opens a connection in a query mode; a check closes it with defer.
func connect(ctx context.Context, mode pgx.QueryExecMode) *pgx.Conn {
	config := get(pgx.ParseConfig(""))
	config.DefaultQueryExecMode = mode
	return get(pgx.ConnectConfig(ctx, config))
}

// newPool is as large as we have clients, and has the driver's own query mode.
func newPool(ctx context.Context) *pgxpool.Pool {
	config := get(pgxpool.ParseConfig(""))
	config.MaxConns = clients
	return get(pgxpool.NewWithConfig(ctx, config))
}

func itemName(id int) string {
	return fmt.Sprintf("item %d", id)
}

// mustAnswer asks for a row with parameters, and wants the right one.
func mustAnswer(ctx context.Context, conn interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}, id int) {
	var name string
	must(conn.QueryRow(ctx, "select name from pgx_items where id = $1", id).Scan(&name))
	equal(name, itemName(id))
}

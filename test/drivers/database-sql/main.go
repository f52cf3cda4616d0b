// What an application does with Go's database/sql on pgx, in each of pgx's query modes, through the pooler.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"runtime/debug"

	_ "github.com/jackc/pgx/v5/stdlib"
)

const (
	// items is how many rows database_sql_items has: (1, 'item 1'), …
	items = 100
	// clients are more than the pooler has servers.
	clients = 16
)

func main() {
	fmt.Println("driver database/sql with pgx", version("github.com/jackc/pgx/v5"))
	if err := makeTables(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
		checkMode(mode)
	}
	checkStatements()
	checkTransactions()
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

func makeTables() error {
	db, err := sql.Open("pgx", "")
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Exec(fmt.Sprintf(`
		drop table if exists database_sql_items, database_sql_values, database_sql_late, database_sql_tally;
		create table database_sql_items (id int primary key, name text not null);
		insert into database_sql_items select i, 'item ' || i from generate_series(1, %d) i;
		create table database_sql_values (
			id int, whole bigint, part float8, yes bool, text text, bytes bytea, moment timestamptz, nothing text
		);
		create table database_sql_late (id int);
		create table database_sql_tally (client int, i int);
	`, items))
	return err
}

// open makes a pool of connections as large as we have clients; a check closes it with defer.
func open(options string) *sql.DB {
	db := get(sql.Open("pgx", options))
	db.SetMaxOpenConns(clients)
	db.SetMaxIdleConns(clients)
	return db
}

func itemName(id int) string {
	return fmt.Sprintf("item %d", id)
}

// asker is a pool, a connection or a transaction.
type asker interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// mustAnswer asks for a row with parameters, and wants the right one.
func mustAnswer(ctx context.Context, db asker, id int) {
	var name string
	must(db.QueryRowContext(ctx, "select name from database_sql_items where id = $1", id).Scan(&name))
	equal(name, itemName(id))
}

// mustCount wants a number of rows.
func mustCount(ctx context.Context, db asker, table string, want int) {
	var count int
	must(db.QueryRowContext(ctx, "select count(*) from "+table).Scan(&count))
	equal(count, want)
}

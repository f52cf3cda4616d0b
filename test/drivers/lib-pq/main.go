// What an application does with lib/pq and database/sql, in both of the driver's ways to send parameters, through the
// pooler.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"runtime/debug"
)

const (
	// items is how many rows lib_pq_items has: (1, 'item 1'), …
	items = 100
	// clients are more than the pooler has servers.
	clients = 16
)

func main() {
	fmt.Println("driver lib-pq", version("github.com/lib/pq"))
	if err := makeTables(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, options := range []string{"binary_parameters=no", "binary_parameters=yes"} {
		checkOptions(options)
	}
	checkCopy()
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
	db, err := sql.Open("postgres", "")
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Exec(fmt.Sprintf(`
		drop table if exists lib_pq_items, lib_pq_values, lib_pq_rows, lib_pq_late;
		create table lib_pq_items (id int primary key, name text not null);
		insert into lib_pq_items select i, 'item ' || i from generate_series(1, %d) i;
		create table lib_pq_values (
			id int primary key, big bigint, float float8, yes bool, text text, bytes bytea, amount numeric,
			moment timestamptz, identity uuid, numbers bigint[], words text[], document jsonb, nothing text
		);
		create table lib_pq_rows (id int primary key, name text, moment timestamptz, bytes bytea);
		create table lib_pq_late (id int);
	`, items))
	return err
}

// open makes a pool of connections as large as we have clients; a check closes it with defer.
func open(options string) *sql.DB {
	db := get(sql.Open("postgres", options))
	db.SetMaxOpenConns(clients)
	db.SetMaxIdleConns(clients)
	return db
}

func itemName(id int) string {
	return fmt.Sprintf("item %d", id)
}

// mustAnswer asks for a row with parameters, and wants the right one.
func mustAnswer(ctx context.Context, db interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}, id int) {
	var name string
	must(db.QueryRowContext(ctx, "select name from lib_pq_items where id = $1", id).Scan(&name))
	equal(name, itemName(id))
}

// inTransaction commits what `work` has done.
func inTransaction(ctx context.Context, db interface {
	BeginTx(ctx context.Context, options *sql.TxOptions) (*sql.Tx, error)
}, work func(tx *sql.Tx)) {
	tx := get(db.BeginTx(ctx, nil))
	defer tx.Rollback()
	work(tx)
	must(tx.Commit())
}

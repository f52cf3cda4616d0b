package main

import (
	"context"
	"database/sql"
)

func checkTransactions() {
	check("transactions that commit and that roll back, from sixteen at once", func(ctx context.Context) {
		db := open("")
		defer db.Close()
		insert := get(db.PrepareContext(ctx, "insert into database_sql_tally values ($1, $2)"))
		defer insert.Close()
		together(clients, func(client int) {
			for i := range 30 {
				tx := get(db.BeginTx(ctx, nil))
				get(tx.StmtContext(ctx, insert).ExecContext(ctx, client, i))
				mustAnswer(ctx, tx, i+1)
				if i%3 == 0 {
					must(tx.Rollback())
				} else {
					must(tx.Commit())
				}
			}
		})
		var clientsWith20 int
		must(db.QueryRowContext(ctx, `select count(*) filter (where n = 20)
			from (select count(*) n from database_sql_tally group by client) t`).Scan(&clientsWith20))
		equal(clientsWith20, clients)
		mustCount(ctx, db, "database_sql_tally", clients*20)
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

	check("two transactions that must not both commit", func(ctx context.Context) {
		db := open("")
		defer db.Close()
		serializable := &sql.TxOptions{Isolation: sql.LevelSerializable}
		first, second := get(db.BeginTx(ctx, serializable)), get(db.BeginTx(ctx, serializable))
		for client, tx := range []*sql.Tx{first, second} {
			var count int
			must(tx.QueryRowContext(ctx, "select count(*) from database_sql_tally where i = -1").Scan(&count))
			equal(count, 0)
			get(tx.ExecContext(ctx, "insert into database_sql_tally values ($1, -1)", client))
		}
		must(first.Commit())
		mustFail(second.Commit(), "40001")
		mustCount(ctx, db, "database_sql_tally where i = -1", 1)
	})

	check("a COMMIT that fails, when a constraint waited for it", func(ctx context.Context) {
		db := open("")
		defer db.Close()
		get(db.ExecContext(ctx, `drop table if exists database_sql_deferred;
			create table database_sql_deferred (id int primary key deferrable initially deferred)`))
		for range 3 {
			tx := get(db.BeginTx(ctx, nil))
			get(tx.ExecContext(ctx, "insert into database_sql_deferred select 1 from generate_series(1, $1)", 2))
			mustFail(tx.Commit(), "23505")
			mustCount(ctx, db, "database_sql_deferred", 0)
		}
	})
}

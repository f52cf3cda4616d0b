//! Transactions, savepoints, errors and the ends of connections.

use sqlx::types::Decimal;
use sqlx::{query, query_scalar, Connection, Executor, PgConnection};

use crate::database::{connect, pool, OtherClients};
use crate::harness::{check, fails, same, Outcome};

pub async fn run() {
    check(
        "transactions are committed, rolled back and dropped",
        endings(),
    )
    .await;
    check(
        "an error in a transaction, rollback, and on",
        error_in_transaction(),
    )
    .await;
    check("transactions in transactions", savepoints()).await;
    check("constraints that are not kept", constraints()).await;
    check("a deferred constraint fails the commit", failing_commit()).await;
    check("serializable transactions that only read", serializable()).await;
    check(
        "temporary tables with other columns in each transaction",
        temporary_tables(),
    )
    .await;
    check(
        "what a client left uncommitted is undone",
        left_without_commit(),
    )
    .await;
    check(
        "the server of a transaction is ended, the pool connects anew",
        ended_server(),
    )
    .await;
}

async fn items() -> sqlx::Result<PgConnection> {
    let mut connection = connect().await?;
    connection
        .execute(
            "drop table if exists sqlx_items;
             create table sqlx_items (id int primary key, price int constraint positive check (price > 0));
             insert into sqlx_items values (1, 10)",
        )
        .await?;
    Ok(connection)
}

async fn insert(connection: &mut PgConnection, id: i32) -> sqlx::Result<u64> {
    let insert = query("insert into sqlx_items values ($1, 10)").bind(id);
    Ok(insert.execute(connection).await?.rows_affected())
}

async fn ids(connection: &mut PgConnection) -> sqlx::Result<Vec<i32>> {
    query_scalar("select id from sqlx_items order by id")
        .fetch_all(connection)
        .await
}

async fn endings() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let mut connection = items().await?;
    for i in 2..6 {
        others.shuffle().await?;
        let mut transaction = connection.begin().await?;
        insert(&mut transaction, 100).await?;
        transaction.rollback().await?;
        let mut transaction = connection.begin().await?;
        insert(&mut transaction, 100).await?;
        drop(transaction); // its ROLLBACK goes before the next query
        drop(connection.begin().await?);
        let mut transaction = connection.begin().await?;
        insert(&mut transaction, i).await?;
        transaction.commit().await?;
    }
    same(vec![1, 2, 3, 4, 5], ids(&mut connection).await?)
}

async fn error_in_transaction() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let mut connection = items().await?;
    for _ in 0..6 {
        others.shuffle().await?;
        let mut transaction = connection.begin().await?;
        insert(&mut transaction, 2).await?;
        fails("23505", insert(&mut transaction, 1).await)?;
        fails("25P02", insert(&mut transaction, 3).await)?;
        fails("25P02", transaction.execute("select 1").await)?;
        transaction.rollback().await?;
        same(vec![1], ids(&mut connection).await?)?;
    }
    same(1, insert(&mut connection, 2).await?)
}

async fn savepoints() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let mut connection = items().await?;
    for _ in 0..4 {
        others.shuffle().await?;
        let mut outer = connection.begin().await?;
        insert(&mut outer, 2).await?;
        let mut middle = outer.begin().await?;
        insert(&mut middle, 3).await?;
        let mut inner = middle.begin().await?;
        fails("23505", insert(&mut inner, 3).await)?;
        inner.rollback().await?;
        let mut inner = middle.begin().await?;
        insert(&mut inner, 4).await?;
        inner.commit().await?;
        same(vec![1, 2, 3, 4], ids(&mut middle).await?)?;
        drop(middle);
        same(vec![1, 2], ids(&mut outer).await?)?;
        outer.rollback().await?;
    }
    same(vec![1], ids(&mut connection).await?)
}

async fn constraints() -> Outcome {
    let mut connection = items().await?;
    for _ in 0..4 {
        let unique = fails("23505", insert(&mut connection, 1).await)?;
        same(Some("sqlx_items_pkey"), unique.constraint())?;
        same(Some("Key (id)=(1) already exists."), unique.detail())?;
        let insert = query("insert into sqlx_items values (5, $1)").bind(-1);
        let check = fails("23514", insert.execute(&mut connection).await)?;
        same(
            (Some("positive"), Some("sqlx_items")),
            (check.constraint(), check.table()),
        )?;
    }
    same(vec![1], ids(&mut connection).await?)
}

async fn failing_commit() -> Outcome {
    let mut connection = connect().await?;
    connection
        .execute(
            "drop table if exists sqlx_deferred;
             create table sqlx_deferred (id int unique deferrable initially deferred)",
        )
        .await?;
    for i in 0..4 {
        let mut transaction = connection.begin().await?;
        let insert = query("insert into sqlx_deferred values ($1), ($1)").bind(i);
        insert.execute(&mut *transaction).await?;
        fails("23505", transaction.commit().await)?;
        same(
            0_i64,
            query_scalar("select count(*) from sqlx_deferred")
                .fetch_one(&mut connection)
                .await?,
        )?;
    }
    Ok(())
}

async fn serializable() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let mut connection = items().await?;
    let isolation = || query_scalar::<_, String>("select current_setting('transaction_isolation')");
    for _ in 0..4 {
        others.shuffle().await?;
        let begin = "begin isolation level serializable read only";
        let mut transaction = connection.begin_with(begin).await?;
        same(
            "serializable",
            &*isolation().fetch_one(&mut *transaction).await?,
        )?;
        fails("25006", insert(&mut transaction, 2).await)?;
        transaction.rollback().await?;
        same(
            "read committed",
            &*isolation().fetch_one(&mut connection).await?,
        )?;
    }
    Ok(())
}

/// The same text is another statement for each of them. Not kept by the driver, or it would fail directly too.
/// The pooler shares a text between clients until it has failed twice because its tables are not the same for all: from
/// then on each client parses its own. Two texts, so four failures at most.
async fn temporary_tables() -> Outcome {
    for _ in 0..4 {
        match with_temporary_tables().await {
            Err(failure) if failure.to_string().contains("cached plan must not change") => continue,
            other => other?,
        }
    }
    with_temporary_tables().await
}

async fn with_temporary_tables() -> Outcome {
    let mut connection = connect().await?;
    let select = "select value from sqlx_temporary where value = $1";
    let mut transaction = connection.begin().await?;
    transaction
        .execute("create temp table sqlx_temporary on commit drop as select 5 as value")
        .await?;
    let row = query_scalar(select).bind(5).persistent(false);
    same(5, row.fetch_one(&mut *transaction).await?)?;
    transaction.commit().await?;
    let mut transaction = connection.begin().await?;
    transaction
        .execute("create temp table sqlx_temporary on commit drop as select 1.5 as value")
        .await?;
    let half: Decimal = "1.5".parse()?;
    let row = query_scalar(select).bind(half).persistent(false);
    same(half, row.fetch_one(&mut *transaction).await?)?;
    let all = query_scalar("select * from sqlx_temporary").persistent(false);
    same(half, all.fetch_one(&mut *transaction).await?)?;
    transaction.commit().await?;
    let mut transaction = connection.begin().await?;
    transaction
        .execute("create temp table sqlx_temporary on commit drop as select text 'x' as value")
        .await?;
    let all = query_scalar("select * from sqlx_temporary").persistent(false);
    same("x".to_string(), all.fetch_one(&mut *transaction).await?)?;
    transaction.commit().await?;
    Ok(())
}

async fn left_without_commit() -> Outcome {
    let mut connection = items().await?;
    for i in 2..8 {
        let mut leaving = connect().await?;
        leaving.execute("begin").await?;
        insert(&mut leaving, i).await?;
        match i % 3 {
            0 => leaving.close().await?,
            1 => leaving.close_hard().await?,
            _ => drop(leaving),
        }
    }
    // Waits for those that are still being rolled back, since they have inserted the same keys.
    for i in 2..8 {
        same(1, insert(&mut connection, i).await?)?;
    }
    same(7, ids(&mut connection).await?.len())
}

async fn ended_server() -> Outcome {
    let mut killer = items().await?;
    let pool = pool(1);
    for _ in 0..3 {
        let mut transaction = pool.begin().await?;
        insert(&mut transaction, 2).await?;
        let pid: i32 = query_scalar("select pg_backend_pid()")
            .fetch_one(&mut *transaction)
            .await?;
        let ended = query_scalar("select pg_terminate_backend($1, 5000)").bind(pid);
        same(true, ended.fetch_one(&mut killer).await?)?;
        // PostgreSQL's last word, or that the connection is lost: either way the client is told.
        same(true, insert(&mut transaction, 3).await.is_err())?;
        drop(transaction);
        let mut connection = pool.acquire().await?;
        same(vec![1], ids(&mut connection).await?)?;
    }
    Ok(())
}

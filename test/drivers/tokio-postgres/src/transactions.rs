//! Transactions, savepoints, portals, errors and the ends of connections.

use tokio_postgres::types::Type;
use tokio_postgres::{Client, IsolationLevel};

use crate::database::{OtherClients, connect};
use crate::harness::{Failure, Outcome, check, fails, same};

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
    check("savepoints in savepoints", savepoints()).await;
    check("constraints that are not kept", constraints()).await;
    check("a deferred constraint fails the commit", failing_commit()).await;
    check("two portals are read in parts, in turns", portals()).await;
    check(
        "portals of statements that change something",
        changing_portals(),
    )
    .await;
    check("serializable transactions that only read", serializable()).await;
    check(
        "FETCH has the columns of the cursor that is there",
        cursors(),
    )
    .await;
    check(
        "what a client left uncommitted is undone",
        left_without_commit(),
    )
    .await;
    check("the server of a transaction is ended", ended_server()).await;
}

async fn items() -> Result<Client, Failure> {
    let client = connect().await?;
    client
        .batch_execute(
            "drop table if exists tokio_items;
             create table tokio_items (id int primary key, price int constraint positive check (price > 0));
             insert into tokio_items values (1, 10)",
        )
        .await?;
    Ok(client)
}

const INSERT: &str = "insert into tokio_items values ($1, 10)";

async fn ids(client: &Client) -> Result<Vec<i32>, Failure> {
    let rows = client
        .query("select id from tokio_items order by id", &[])
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn endings() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let mut client = items().await?;
    let insert = client.prepare(INSERT).await?;
    for i in 2..6 {
        others.shuffle().await?;
        let transaction = client.transaction().await?;
        transaction.execute(&insert, &[&100]).await?;
        transaction.rollback().await?;
        let transaction = client.transaction().await?;
        transaction.execute(&insert, &[&100]).await?;
        drop(transaction); // sends a ROLLBACK that nobody waits for
        drop(client.transaction().await?);
        let transaction = client.transaction().await?;
        transaction.execute(&insert, &[&i]).await?;
        transaction.commit().await?;
    }
    same(vec![1, 2, 3, 4, 5], ids(&client).await?)
}

async fn error_in_transaction() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let mut client = items().await?;
    let insert = client.prepare(INSERT).await?;
    for _ in 0..6 {
        others.shuffle().await?;
        let transaction = client.transaction().await?;
        transaction.execute(&insert, &[&2]).await?;
        fails("23505", transaction.execute(&insert, &[&1]).await)?;
        fails("25P02", transaction.execute(&insert, &[&3]).await)?;
        fails("25P02", transaction.prepare("select 1 as anew").await)?;
        transaction.rollback().await?;
        same(vec![1], ids(&client).await?)?;
    }
    same(1, client.execute(&insert, &[&2]).await?)
}

async fn savepoints() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let mut client = items().await?;
    let insert = client.prepare(INSERT).await?;
    for _ in 0..4 {
        others.shuffle().await?;
        let mut outer = client.transaction().await?;
        outer.execute(&insert, &[&2]).await?;
        let mut middle = outer.savepoint("middle").await?;
        middle.execute(&insert, &[&3]).await?;
        let inner = middle.transaction().await?;
        fails("23505", inner.execute(&insert, &[&3]).await)?;
        inner.rollback().await?;
        let inner = middle.transaction().await?;
        inner.execute(&insert, &[&4]).await?;
        inner.commit().await?;
        same(vec![1, 2, 3, 4], ids(middle.client()).await?)?;
        drop(middle); // sends a ROLLBACK TO that nobody waits for
        same(vec![1, 2], ids(outer.client()).await?)?;
        outer.rollback().await?;
    }
    same(vec![1], ids(&client).await?)
}

async fn constraints() -> Outcome {
    let client = items().await?;
    for _ in 0..4 {
        let unique = fails("23505", client.execute(INSERT, &[&1]).await)?;
        same(Some("tokio_items_pkey"), unique.constraint())?;
        same(Some("Key (id)=(1) already exists."), unique.detail())?;
        let check = fails(
            "23514",
            client
                .execute("insert into tokio_items values (5, $1)", &[&-1])
                .await,
        )?;
        same(
            (Some("positive"), Some("tokio_items")),
            (check.constraint(), check.table()),
        )?;
    }
    same(vec![1], ids(&client).await?)
}

async fn failing_commit() -> Outcome {
    let mut client = connect().await?;
    client
        .batch_execute(
            "drop table if exists tokio_deferred;
             create table tokio_deferred (id int unique deferrable initially deferred)",
        )
        .await?;
    for i in 0..4 {
        let transaction = client.transaction().await?;
        transaction
            .execute("insert into tokio_deferred values ($1), ($1)", &[&i])
            .await?;
        fails("23505", transaction.commit().await)?;
        let count: i64 = client
            .query_one("select count(*) from tokio_deferred", &[])
            .await?
            .get(0);
        same(0, count)?;
    }
    Ok(())
}

async fn portals() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let mut client = connect().await?;
    let series = client
        .prepare("select i from generate_series($1::int, $1 + 199) i")
        .await?;
    for _ in 0..4 {
        others.shuffle().await?;
        let transaction = client.transaction().await?;
        let one = transaction.bind(&series, &[&0]).await?;
        let two = transaction.bind(&series, &[&1000]).await?;
        let (mut first, mut second) = (Vec::new(), Vec::new());
        while second.len() < 200 {
            for row in transaction.query_portal(&one, 7).await? {
                first.push(row.get::<_, i32>(0));
            }
            for row in transaction.query_portal(&two, 11).await? {
                second.push(row.get::<_, i32>(0));
            }
        }
        let rest = transaction.query_portal(&one, 0).await?;
        first.extend(rest.iter().map(|row| row.get::<_, i32>(0)));
        same((0..200).collect::<Vec<_>>(), first)?;
        same((1000..1200).collect::<Vec<_>>(), second)?;
        same(0, transaction.query_portal(&two, 11).await?.len())?;
        transaction.commit().await?;
    }
    Ok(())
}

async fn changing_portals() -> Outcome {
    let mut client = items().await?;
    for _ in 0..4 {
        let transaction = client.transaction().await?;
        let sql =
            "insert into tokio_items select i, 1 from generate_series(2, $1::int) i returning id";
        let portal = transaction.bind(sql, &[&20]).await?;
        // All is inserted at the first part.
        same(3, transaction.query_portal(&portal, 3).await?.len())?;
        same(20, ids(transaction.client()).await?.len())?;
        same(16, transaction.query_portal(&portal, 0).await?.len())?;
        let portal = transaction
            .bind("select 1 / (id - 1) from tokio_items where id < $1", &[&5])
            .await?;
        fails("22012", transaction.query_portal(&portal, 2).await)?;
        fails("25P02", transaction.query_portal(&portal, 2).await)?;
        transaction.rollback().await?;
        same(vec![1], ids(&client).await?)?;
    }
    Ok(())
}

async fn serializable() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let mut client = items().await?;
    for _ in 0..4 {
        others.shuffle().await?;
        let transaction = client
            .build_transaction()
            .isolation_level(IsolationLevel::Serializable)
            .read_only(true)
            .start()
            .await?;
        let row = transaction
            .query_one("select current_setting('transaction_isolation')", &[])
            .await?;
        same("serializable", row.get::<_, &str>(0))?;
        fails("25006", transaction.execute(INSERT, &[&2]).await)?;
        transaction.rollback().await?;
        let row = client
            .query_one("select current_setting('transaction_isolation')", &[])
            .await?;
        same("read committed", row.get::<_, &str>(0))?;
    }
    Ok(())
}

/// The same text is another statement for each of them.
async fn cursors() -> Outcome {
    let mut client = connect().await?;
    let int4 = Type::INT4;
    let queries = [
        ("select generate_series(1, 100)", vec![int4.clone()]),
        (
            "select 'text'::text, generate_series(1, 100)",
            vec![Type::TEXT, int4],
        ),
        ("select true from generate_series(1, 100)", vec![Type::BOOL]),
    ];
    for (query, types) in queries {
        let transaction = client.transaction().await?;
        let declare = format!("declare tokio_walk cursor for {query}");
        transaction.execute(&declare, &[]).await?;
        let fetch = transaction.prepare("fetch 30 from tokio_walk").await?;
        let columns = fetch.columns().iter();
        same(
            types,
            columns
                .map(|column| column.type_().clone())
                .collect::<Vec<_>>(),
        )?;
        for count in [30, 30, 30, 10, 0] {
            same(count, transaction.query(&fetch, &[]).await?.len())?;
        }
        transaction.commit().await?;
    }
    Ok(())
}

async fn left_without_commit() -> Outcome {
    let client = items().await?;
    for i in 2..8 {
        let leaving = connect().await?;
        leaving.batch_execute("begin").await?;
        leaving.execute(INSERT, &[&i]).await?;
    }
    // Waits for those that are still being rolled back, since they have inserted the same keys.
    for i in 2..8 {
        same(1, client.execute(INSERT, &[&i]).await?)?;
    }
    same(7, ids(&client).await?.len())
}

async fn ended_server() -> Outcome {
    let killer = items().await?;
    let mut client = connect().await?;
    let transaction = client.transaction().await?;
    transaction.execute(INSERT, &[&2]).await?;
    let pid: i32 = transaction
        .query_one("select pg_backend_pid()", &[])
        .await?
        .get(0);
    let ended: bool = killer
        .query_one("select pg_terminate_backend($1, 5000)", &[&pid])
        .await?
        .get(0);
    same(true, ended)?;
    // PostgreSQL's last word, or that the connection is lost: either way the client is told.
    same(true, transaction.execute(INSERT, &[&3]).await.is_err())?;
    drop(transaction);
    same(true, client.execute(INSERT, &[&3]).await.is_err())?;
    same(true, client.is_closed())?;
    same(vec![1], ids(&killer).await?)
}

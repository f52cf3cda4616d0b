//! Queries that are stopped.

use futures_util::future::{join, try_join};
use tokio_postgres::{Client, NoTls};

use crate::database::{OtherClients, connect};
use crate::harness::{Outcome, check, fails, same};

pub async fn run() {
    check(
        "a running query is cancelled, the connection goes on",
        cancel(),
    )
    .await;
    check(
        "a cancel in a transaction fails it, and only it",
        in_transaction(),
    )
    .await;
    check(
        "a cancel stops one of the queries that are sent at once",
        in_pipeline(),
    )
    .await;
    check("a cancel that comes too late hits nobody", too_late()).await;
    check("a transaction's own statement_timeout", statement_timeout()).await;
}

/// Cancels what the client runs once PostgreSQL says that it runs.
async fn cancel_when_it_runs(client: &Client, mark: &str) -> Outcome {
    let token = client.cancel_token();
    let observer = connect().await?;
    let sql = "select count(*) from pg_stat_activity
               where query like $1 and state = 'active' and pid <> pg_backend_pid()";
    let running = observer.prepare(sql).await?;
    let pattern = format!("%{mark}%");
    while observer
        .query_one(&running, &[&pattern])
        .await?
        .get::<_, i64>(0)
        == 0
    {}
    Ok(token.cancel_query(NoTls).await?)
}

async fn cancel() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let client = connect().await?;
    for i in 0..3 {
        others.shuffle().await?;
        let mark = format!("tokio round {i}");
        let sql = format!("select pg_sleep(30) /* {mark} */");
        let (answer, cancelled) = join(
            client.query_one(&sql, &[]),
            cancel_when_it_runs(&client, &mark),
        )
        .await;
        cancelled?;
        fails("57014", answer)?;
        let value: i32 = client.query_one("select $1::int", &[&i]).await?.get(0);
        same(i, value)?;
    }
    Ok(())
}

async fn in_transaction() -> Outcome {
    let mut client = connect().await?;
    client
        .batch_execute("drop table if exists tokio_cancel; create table tokio_cancel (id int)")
        .await?;
    let transaction = client.transaction().await?;
    transaction
        .execute("insert into tokio_cancel values (1)", &[])
        .await?;
    let sleep = transaction.simple_query("select pg_sleep(30) -- tokio in a transaction");
    let (answer, cancelled) = join(
        sleep,
        cancel_when_it_runs(transaction.client(), "tokio in a transaction"),
    )
    .await;
    cancelled?;
    fails("57014", answer)?;
    fails("25P02", transaction.query("select 1", &[]).await)?;
    transaction.rollback().await?;
    let count: i64 = client
        .query_one("select count(*) from tokio_cancel", &[])
        .await?
        .get(0);
    same(0, count)
}

async fn in_pipeline() -> Outcome {
    let client = connect().await?;
    let number = client.prepare("select $1::int").await?;
    let sleep = client
        .prepare("select pg_sleep(30) /* tokio in a pipeline */")
        .await?;
    let before = client.query_one(&number, &[&1]);
    let sleeping = client.query_one(&sleep, &[]);
    let after = client.query_one(&number, &[&2]);
    let cancelling = cancel_when_it_runs(&client, "tokio in a pipeline");
    let ((before, sleeping), (after, cancelled)) =
        join(join(before, sleeping), join(after, cancelling)).await;
    cancelled?;
    fails("57014", sleeping)?;
    same((1, 2), (before?.get::<_, i32>(0), after?.get::<_, i32>(0)))
}

/// Cancels again and again while nothing of this client runs, but much of another one.
async fn too_late() -> Outcome {
    let (idle, busy) = (connect().await?, connect().await?);
    let work = async {
        for i in 0..100 {
            let row = busy
                .query_one("select $1::int, pg_sleep(0.001)", &[&i])
                .await?;
            same(i, row.get::<_, i32>(0))?;
        }
        Outcome::Ok(())
    };
    let cancel = async {
        for _ in 0..50 {
            idle.query_one("select 1", &[]).await?;
            idle.cancel_token().cancel_query(NoTls).await?;
        }
        Ok(())
    };
    try_join(work, cancel).await?;
    Ok(())
}

async fn statement_timeout() -> Outcome {
    let mut client = connect().await?;
    let transaction = client.transaction().await?;
    transaction
        .batch_execute("set local statement_timeout to '50ms'")
        .await?;
    fails("57014", transaction.query("select pg_sleep(30)", &[]).await)?;
    transaction.rollback().await?;
    let row = client
        .query_one("select current_setting('statement_timeout')", &[])
        .await?;
    same("0", row.get::<_, &str>(0))
}

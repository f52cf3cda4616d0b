//! More clients at once than the pool has servers.

use futures_util::future::try_join_all;

use crate::database::connect;
use crate::harness::{Outcome, check, fails, same};

const CLIENTS: i32 = 16;
const ROUNDS: i32 = 30;

pub async fn run() {
    check("16 clients, each gets its own answers", all(own_answers)).await;
    check(
        "16 clients, each sends 50 queries at once",
        all(own_pipelines),
    )
    .await;
    check("16 clients with errors of their own", all(own_errors)).await;
    check("16 clients move money, none is lost", money()).await;
}

async fn all<F>(client: fn(i32) -> F) -> Outcome
where
    F: Future<Output = Outcome> + Send + 'static,
{
    let tasks = (0..CLIENTS).map(|number| tokio::spawn(client(number)));
    try_join_all(tasks).await?.into_iter().collect()
}

async fn own_answers(number: i32) -> Outcome {
    let mut client = connect().await?;
    let same_text = client.prepare("select $1::int, $2::text").await?;
    let own_text = client
        .prepare(&format!("select $1::int * {number}"))
        .await?;
    for i in 0..ROUNDS {
        let (value, name) = (number * 1000 + i, format!("client {number}"));
        let row = client.query_one(&same_text, &[&value, &name]).await?;
        same((value, &*name), (row.get(0), row.get(1)))?;
        let transaction = client.transaction().await?;
        let row = transaction.query_one(&own_text, &[&i]).await?;
        same(i * number, row.get::<_, i32>(0))?;
        transaction.commit().await?;
    }
    Ok(())
}

async fn own_pipelines(number: i32) -> Outcome {
    let client = connect().await?;
    let statement = client.prepare("select $1::int + $2::int").await?;
    for _ in 0..4 {
        let answers =
            (0..50).map(async |i| client.query_one(&statement, &[&i, &(number * 100)]).await);
        for (i, row) in (0..).zip(try_join_all(answers).await?) {
            same(number * 100 + i, row.get::<_, i32>(0))?;
        }
    }
    Ok(())
}

async fn own_errors(number: i32) -> Outcome {
    let mut client = connect().await?;
    for i in 0..ROUNDS / 2 {
        let text = format!("client {number} round {i}");
        let transaction = client.transaction().await?;
        let error = fails(
            "22P02",
            transaction.query("select $1::text::int", &[&text]).await,
        )?;
        same(true, error.message().contains(&text))?;
        transaction.rollback().await?;
        let row = client.query_one("select $1::text", &[&text]).await?;
        same(&*text, row.get::<_, &str>(0))?;
    }
    Ok(())
}

async fn money() -> Outcome {
    let client = connect().await?;
    client
        .batch_execute(
            "drop table if exists tokio_accounts;
             create table tokio_accounts as select i as id, 1000 as money from generate_series(0, 15) i",
        )
        .await?;
    all(give_to_each).await?;
    let row = client
        .query_one(
            "select count(*) from tokio_accounts where money = 1000",
            &[],
        )
        .await?;
    same(i64::from(CLIENTS), row.get::<_, i64>(0))
}

/// Gives each other account the same, so that in the end all have what they had.
async fn give_to_each(number: i32) -> Outcome {
    let mut client = connect().await?;
    let pay = client
        .prepare("update tokio_accounts set money = money + $1 where id = $2")
        .await?;
    for other in (0..CLIENTS).filter(|other| *other != number) {
        let mut payments = [(number, -7), (other, 7)];
        payments.sort(); // or clients could wait for each other
        let transaction = client.transaction().await?;
        for (account, amount) in payments {
            same(1, transaction.execute(&pay, &[&amount, &account]).await?)?;
        }
        transaction.commit().await?;
    }
    Ok(())
}

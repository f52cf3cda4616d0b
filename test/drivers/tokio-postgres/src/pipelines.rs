//! Queries that are sent without waiting for the answers of those before.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{join, join_all, try_join, try_join_all};

use crate::database::{OtherClients, connect};
use crate::harness::{Outcome, check, fails, same};

pub async fn run() {
    check(
        "100 queries at once on one connection, each gets its own answer",
        queries(),
    )
    .await;
    check("20 statements are prepared at once", prepares()).await;
    check("errors among queries that are sent at once", errors()).await;
    check(
        "a transaction is sent whole, from BEGIN to COMMIT",
        whole_transaction(),
    )
    .await;
    check(
        "a transaction that is sent whole fails in the middle",
        whole_transaction_fails(),
    )
    .await;
    check("simple and prepared queries in turns, at once", mixed()).await;
    check("a stream of rows is dropped early", dropped_stream()).await;
    check("a query that nobody waits for any more", dropped_query()).await;
}

async fn queries() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let client = connect().await?;
    let one = client.prepare("select $1::int + 1").await?;
    let two = client.prepare("select $1::int * 2").await?;
    for _ in 0..4 {
        others.shuffle().await?;
        let answers = (0..100).map(async |i| {
            let statement = if i % 3 == 0 { &one } else { &two };
            Ok::<i32, tokio_postgres::Error>(client.query_one(statement, &[&i]).await?.get(0))
        });
        let expected: Vec<i32> = (0..100)
            .map(|i| if i % 3 == 0 { i + 1 } else { i * 2 })
            .collect();
        same(expected, try_join_all(answers).await?)?;
    }
    Ok(())
}

async fn prepares() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let client = connect().await?;
    for round in 0..3 {
        others.shuffle().await?;
        // Every other text is one that all rounds have in common.
        let texts: Vec<String> = (0..20)
            .map(|i| format!("select $1::int + {}", i + i % 2 * round))
            .collect();
        let statements = try_join_all(texts.iter().map(|text| client.prepare(text))).await?;
        let answers = statements
            .iter()
            .map(|statement| client.query_one(statement, &[&1000]));
        for (i, row) in (0..).zip(try_join_all(answers).await?) {
            same(1000 + i + i % 2 * round, row.get::<_, i32>(0))?;
        }
    }
    Ok(())
}

async fn errors() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let client = connect().await?;
    let divide = client.prepare("select 100 / $1::int").await?;
    for _ in 0..4 {
        others.shuffle().await?;
        let answers =
            join_all((0..30).map(async |i| client.query_one(&divide, &[&(i % 5)]).await)).await;
        for (i, answer) in (0..).zip(answers) {
            match i % 5 {
                0 => drop(fails("22012", answer)?),
                divisor => same(100 / divisor, answer?.get::<_, i32>(0))?,
            }
        }
        let wrong = join_all((0..10).map(async |i| {
            let sql = if i % 2 == 0 {
                "select"
            } else {
                "select from from"
            };
            client.prepare(sql).await
        }));
        for (i, answer) in wrong.await.into_iter().enumerate() {
            match i % 2 {
                0 => drop(answer?),
                _ => drop(fails("42601", answer)?),
            }
        }
    }
    Ok(())
}

async fn whole_transaction() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let client = connect().await?;
    client
        .batch_execute("drop table if exists tokio_whole; create table tokio_whole (id int)")
        .await?;
    let insert = client
        .prepare("insert into tokio_whole values ($1)")
        .await?;
    let count = client.prepare("select count(*) from tokio_whole").await?;
    for round in 1..=6 {
        others.shuffle().await?;
        let (begun, (inserted, (counted, committed))) = join(
            client.batch_execute("begin"),
            join(
                join_all((0..10).map(async |i| client.execute(&insert, &[&i]).await)),
                join(
                    client.query_one(&count, &[]),
                    client.batch_execute("commit"),
                ),
            ),
        )
        .await;
        begun?;
        for each in inserted {
            same(1, each?)?;
        }
        same(round * 10, counted?.get::<_, i64>(0))?;
        committed?;
    }
    Ok(())
}

async fn whole_transaction_fails() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let client = connect().await?;
    client
        .batch_execute(
            "drop table if exists tokio_failing; create table tokio_failing (id int unique)",
        )
        .await?;
    let insert = client
        .prepare("insert into tokio_failing values ($1)")
        .await?;
    for _ in 0..6 {
        others.shuffle().await?;
        let (begun, (inserted, committed)) = join(
            client.batch_execute("begin"),
            join(
                join_all([1, 2, 1, 3].map(async |i| client.execute(&insert, &[&i]).await)),
                client.simple_query("commit"),
            ),
        )
        .await;
        begun?;
        let [first, second, third, fourth] = inserted.try_into().map_err(|_| "not four answers")?;
        same((1, 1), (first?, second?))?;
        fails("23505", third)?;
        fails("25P02", fourth)?;
        committed?; // as ROLLBACK
        let count: i64 = client
            .query_one("select count(*) from tokio_failing", &[])
            .await?
            .get(0);
        same(0, count)?;
    }
    Ok(())
}

async fn mixed() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let client = connect().await?;
    let statement = client.prepare("select $1::int").await?;
    for _ in 0..4 {
        others.shuffle().await?;
        let both = (0..20).map(async |i| {
            let text = format!("select 'simple {i}'");
            let (prepared, simple) = try_join(
                client.query_one(&statement, &[&i]),
                client.simple_query(&text),
            )
            .await?;
            let simple = simple.iter().find_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_string),
                _ => None,
            });
            Ok::<_, tokio_postgres::Error>((prepared.get::<_, i32>(0), simple))
        });
        for (i, (prepared, simple)) in (0..).zip(try_join_all(both).await?) {
            same((i, Some(format!("simple {i}"))), (prepared, simple))?;
        }
    }
    Ok(())
}

async fn dropped_stream() -> Outcome {
    let client = connect().await?;
    let many = client
        .prepare("select i from generate_series($1::int, 100000) i")
        .await?;
    for i in 0..4 {
        let mut rows = Box::pin(client.query_raw(&many, [i]).await?);
        let first = rows.next().await.ok_or("no row")??;
        same(i, first.get::<_, i32>(0))?;
        drop(rows);
        let value: i32 = client.query_one("select $1::int", &[&i]).await?.get(0);
        same(i, value)?;
    }
    Ok(())
}

async fn dropped_query() -> Outcome {
    let client = connect().await?;
    let sleep = client.prepare("select $1::int, pg_sleep(0.1)").await?;
    for i in 0..4 {
        let answer =
            tokio::time::timeout(Duration::from_millis(20), client.query_one(&sleep, &[&-1]));
        same(true, answer.await.is_err())?;
        let value: i32 = client.query_one("select $1::int", &[&i]).await?.get(0);
        same(i, value)?;
    }
    Ok(())
}

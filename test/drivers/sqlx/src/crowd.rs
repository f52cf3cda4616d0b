//! A pool of 16 connections, more than the pooler's servers.

use futures_util::TryStreamExt;
use futures_util::future::try_join_all;
use sqlx::{AssertSqlSafe, Executor, PgPool, query, query_scalar};

use crate::database::pool;
use crate::harness::{Outcome, check, fails, same};

const CLIENTS: i32 = 16;
const TASKS: i32 = 40;

pub async fn run() {
    let pool = pool(CLIENTS as u32);
    check(
        "a pool of 16 connections and 40 tasks, each gets its own answers",
        all(&pool, own_answers),
    )
    .await;
    check("… in transactions", all(&pool, own_transactions)).await;
    check("… with errors of their own", all(&pool, own_errors)).await;
    check(
        "… with statements that are not kept",
        all(&pool, own_unkept),
    )
    .await;
    check("… that drop their streams early", all(&pool, own_streams)).await;
    check("16 connections move money, none is lost", money(pool)).await;
}

fn all<F>(
    pool: &PgPool,
    task: fn(PgPool, i32) -> F,
) -> impl Future<Output = Outcome> + Send + use<F>
where
    F: Future<Output = Outcome> + Send + 'static,
{
    let pool = pool.clone();
    async move {
        let tasks = (0..TASKS).map(|number| tokio::spawn(task(pool.clone(), number)));
        try_join_all(tasks).await?.into_iter().collect()
    }
}

async fn own_answers(pool: PgPool, number: i32) -> Outcome {
    for i in 0..15 {
        let value = number * 1000 + i;
        let row: (i32, String) = sqlx::query_as("select $1, $2")
            .bind(value)
            .bind(format!("task {number}"))
            .fetch_one(&pool)
            .await?;
        same((value, format!("task {number}")), row)?;
        let own_text = AssertSqlSafe(format!("select $1 * {number}"));
        same(
            i * number,
            query_scalar(own_text).bind(i).fetch_one(&pool).await?,
        )?;
    }
    Ok(())
}

async fn own_transactions(pool: PgPool, number: i32) -> Outcome {
    for i in 0..8 {
        let mut transaction = pool.begin().await?;
        transaction
            .execute("create temp table sqlx_own (id int) on commit drop")
            .await?;
        let insert = query("insert into sqlx_own values ($1), ($2)")
            .bind(number)
            .bind(i);
        same(2, insert.execute(&mut *transaction).await?.rows_affected())?;
        let ids: Vec<i32> = query_scalar("select id from sqlx_own")
            .fetch_all(&mut *transaction)
            .await?;
        same(vec![number, i], ids)?;
        match i % 3 {
            0 => transaction.commit().await?,
            1 => transaction.rollback().await?,
            _ => drop(transaction),
        }
    }
    Ok(())
}

async fn own_errors(pool: PgPool, number: i32) -> Outcome {
    for i in 0..8 {
        let text = format!("task {number} round {i}");
        let error = fails(
            "22P02",
            query("select $1::text::int")
                .bind(&text)
                .execute(&pool)
                .await,
        )?;
        same(true, error.message().contains(&text))?;
        let mut transaction = pool.begin().await?;
        fails(
            "22P02",
            query("select $1::text::int")
                .bind(&text)
                .execute(&mut *transaction)
                .await,
        )?;
        drop(transaction);
        same(
            text.clone(),
            query_scalar("select $1")
                .bind(text)
                .fetch_one(&pool)
                .await?,
        )?;
    }
    Ok(())
}

async fn own_unkept(pool: PgPool, number: i32) -> Outcome {
    for i in 0..15 {
        let sum = query_scalar("select $1 + 1")
            .bind(number + i)
            .persistent(false);
        same(number + i + 1, sum.fetch_one(&pool).await?)?;
    }
    Ok(())
}

async fn own_streams(pool: PgPool, number: i32) -> Outcome {
    for i in 0..4 {
        let sql = "select i + $1 from generate_series(1, 3000) i";
        let mut rows = query_scalar::<_, i32>(sql)
            .bind(number * 1000 + i)
            .fetch(&pool);
        for row in 1..20 {
            let value = rows.try_next().await?;
            same(Some(number * 1000 + i + row), value)?;
        }
    }
    Ok(())
}

async fn money(pool: PgPool) -> Outcome {
    pool.execute(
        "drop table if exists sqlx_accounts;
         create table sqlx_accounts as select i as id, 1000 as money from generate_series(0, 15) i",
    )
    .await?;
    let tasks = (0..CLIENTS).map(|number| tokio::spawn(give_to_each(pool.clone(), number)));
    try_join_all(tasks)
        .await?
        .into_iter()
        .collect::<Outcome>()?;
    let same_money = query_scalar("select count(*) from sqlx_accounts where money = 1000");
    same(i64::from(CLIENTS), same_money.fetch_one(&pool).await?)
}

/// Gives each other account the same, so that in the end all have what they had.
async fn give_to_each(pool: PgPool, number: i32) -> Outcome {
    for other in (0..CLIENTS).filter(|other| *other != number) {
        let mut payments = [(number, -7), (other, 7)];
        payments.sort(); // or clients could wait for each other
        let mut transaction = pool.begin().await?;
        for (account, amount) in payments {
            let pay = query("update sqlx_accounts set money = money + $1 where id = $2");
            let pay = pay
                .bind(amount)
                .bind(account)
                .execute(&mut *transaction)
                .await?;
            same(1, pay.rows_affected())?;
        }
        transaction.commit().await?;
    }
    Ok(())
}

//! COPY both ways.

use futures_util::TryStreamExt;
use sqlx::postgres::PgPoolCopyExt;
use sqlx::{Connection, Executor, PgConnection, query_scalar};

use crate::database::{OtherClients, connect, pool};
use crate::harness::{Outcome, check, fails, same};

const ROWS: i32 = 20_000;
const COPY_IN: &str = "copy sqlx_copy from stdin csv";

pub async fn run() {
    check("COPY of 20000 rows in and out", in_and_out()).await;
    check("COPY by a pool", by_pool()).await;
    check("COPY in a transaction, rolled back", rolled_back()).await;
    check("COPY of rows that are wrong", wrong_rows()).await;
    check("COPY in is given up in the middle", given_up()).await;
    check("COPY in is dropped in the middle", dropped_in()).await;
    check("COPY out is dropped in the middle", dropped_out()).await;
}

async fn empty_table() -> sqlx::Result<PgConnection> {
    let mut connection = connect().await?;
    connection
        .execute("drop table if exists sqlx_copy; create table sqlx_copy (id int, name text)")
        .await?;
    Ok(connection)
}

async fn count(connection: &mut PgConnection) -> sqlx::Result<i64> {
    query_scalar("select count(*) from sqlx_copy")
        .fetch_one(connection)
        .await
}

fn lines(count: i32) -> String {
    (0..count).map(|i| format!("{i},name № {i}\n")).collect()
}

async fn copy_in(connection: &mut PgConnection, lines: String) -> sqlx::Result<u64> {
    let mut copy = connection.copy_in_raw(COPY_IN).await?;
    // In parts that end in the middle of lines.
    for part in lines.as_bytes().chunks(3001) {
        copy.send(part).await?;
    }
    copy.finish().await
}

async fn in_and_out() -> Outcome {
    let mut connection = empty_table().await?;
    same(ROWS as u64, copy_in(&mut connection, lines(ROWS)).await?)?;
    let parts: Vec<_> = connection
        .copy_out_raw("copy (select * from sqlx_copy order by id) to stdout csv")
        .await?
        .try_collect()
        .await?;
    same(true, lines(ROWS).as_bytes() == parts.concat())
}

async fn by_pool() -> Outcome {
    let mut connection = empty_table().await?;
    let pool = pool(4);
    for round in 1..5 {
        let mut copy = pool.copy_in_raw(COPY_IN).await?;
        copy.send(lines(100).into_bytes()).await?;
        same(100, copy.finish().await?)?;
        same(100 * round, count(&mut connection).await?)?;
        let parts: Vec<_> = pool
            .copy_out_raw("copy sqlx_copy to stdout csv")
            .await?
            .try_collect()
            .await?;
        same(
            true,
            lines(100).repeat(round as usize).as_bytes() == parts.concat(),
        )?;
    }
    Ok(())
}

async fn rolled_back() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let mut connection = empty_table().await?;
    for i in 1..5 {
        others.shuffle().await?;
        let mut transaction = connection.begin().await?;
        same(
            10 * i as u64,
            copy_in(&mut transaction, lines(10 * i)).await?,
        )?;
        same(10 * i64::from(i), count(&mut transaction).await?)?;
        transaction.rollback().await?;
        same(0, count(&mut connection).await?)?;
    }
    Ok(())
}

async fn wrong_rows() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let mut connection = empty_table().await?;
    for _ in 0..5 {
        others.shuffle().await?;
        // The error comes while the driver is still sending.
        let wrong = lines(10) + "not a number,x\n" + &lines(ROWS);
        let error = fails("22P02", copy_in(&mut connection, wrong).await)?;
        same(
            true,
            error
                .r#where()
                .is_some_and(|place| place.contains("line 11")),
        )?;
        same(0, count(&mut connection).await?)?;
        let nowhere = connection.copy_in_raw("copy sqlx_nowhere from stdin").await;
        fails("42P01", nowhere.map(drop))?;
        same(0, count(&mut connection).await?)?;
    }
    Ok(())
}

async fn given_up() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let mut connection = empty_table().await?;
    for _ in 0..6 {
        others.shuffle().await?;
        let mut copy = connection.copy_in_raw(COPY_IN).await?;
        copy.send(lines(1000).into_bytes()).await?;
        copy.abort("this is enough").await?;
        same(0, count(&mut connection).await?)?;
    }
    Ok(())
}

/// With its connection, which this driver cannot use any more then.
async fn dropped_in() -> Outcome {
    let mut connection = empty_table().await?;
    for i in 0..6 {
        let mut leaving = connect().await?;
        let mut copy = leaving.copy_in_raw(COPY_IN).await?;
        copy.send(lines(1000).into_bytes()).await?;
        drop(copy);
        match i % 2 {
            0 => leaving.close_hard().await?,
            _ => drop(leaving),
        }
        same(0, count(&mut connection).await?)?;
    }
    Ok(())
}

/// With its connection too.
async fn dropped_out() -> Outcome {
    let mut connection = empty_table().await?;
    for i in 0..6 {
        let mut leaving = connect().await?;
        let copy = "copy (select generate_series(1, 1000000)) to stdout";
        let mut rows = leaving.copy_out_raw(copy).await?;
        let first = rows.try_next().await?.ok_or("no row")?;
        same(&b"1\n"[..], &first[..])?;
        drop(rows);
        match i % 2 {
            0 => leaving.close_hard().await?,
            _ => drop(leaving),
        }
        same(0, count(&mut connection).await?)?;
    }
    Ok(())
}

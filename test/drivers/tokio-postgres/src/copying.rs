//! COPY both ways.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, TryStreamExt, pin_mut};
use tokio_postgres::Client;
use tokio_postgres::binary_copy::{BinaryCopyInWriter, BinaryCopyOutStream};
use tokio_postgres::types::Type;

use crate::database::{OtherClients, connect};
use crate::harness::{Failure, Outcome, check, fails, same};

const ROWS: i32 = 20_000;
const COPY_IN: &str = "copy tokio_copy from stdin csv";

pub async fn run() {
    check("COPY of 20000 rows in and out", in_and_out()).await;
    check("COPY in binary", binary()).await;
    check("COPY in a transaction, rolled back", rolled_back()).await;
    check("COPY of rows that are wrong", wrong_rows()).await;
    check("COPY in is dropped in the middle", dropped_in()).await;
    check("COPY out is dropped in the middle", dropped_out()).await;
    check("COPY of lines of 5 MB", big_lines()).await;
}

async fn empty_table() -> Result<Client, Failure> {
    let client = connect().await?;
    client
        .batch_execute(
            "drop table if exists tokio_copy; create table tokio_copy (id int, name text)",
        )
        .await?;
    Ok(client)
}

async fn count(client: &Client) -> Result<i64, Failure> {
    Ok(client
        .query_one("select count(*) from tokio_copy", &[])
        .await?
        .get(0))
}

fn lines(count: i32) -> impl Iterator<Item = Result<Bytes, tokio_postgres::Error>> {
    (0..count).map(|i| Ok(Bytes::from(format!("{i},name № {i}\n"))))
}

async fn copy_in(
    client: &Client,
    rows: impl Iterator<Item = Result<Bytes, tokio_postgres::Error>>,
) -> Result<u64, tokio_postgres::Error> {
    let sink = client.copy_in(COPY_IN).await?;
    pin_mut!(sink);
    sink.send_all(&mut futures_util::stream::iter(rows)).await?;
    sink.finish().await
}

async fn in_and_out() -> Outcome {
    let client = empty_table().await?;
    same(ROWS as u64, copy_in(&client, lines(ROWS)).await?)?;
    let rows = client
        .copy_out("copy (select * from tokio_copy order by id) to stdout csv")
        .await?;
    let parts: Vec<Bytes> = rows.try_collect().await?;
    let expected: Result<Vec<Bytes>, _> = lines(ROWS).collect();
    same(true, expected?.concat() == parts.concat())
}

async fn binary() -> Outcome {
    let client = empty_table().await?;
    let types = [Type::INT4, Type::TEXT];
    for round in 0..3 {
        let sink = client
            .copy_in("copy tokio_copy from stdin (format binary)")
            .await?;
        let writer = BinaryCopyInWriter::new(sink, &types);
        pin_mut!(writer);
        for i in 0..100 {
            let name = (i % 2 == 0).then(|| format!("name {i}"));
            writer.as_mut().write(&[&(round * 100 + i), &name]).await?;
        }
        same(100, writer.finish().await?)?;
    }
    let stream = client
        .copy_out("copy (select * from tokio_copy order by id) to stdout (format binary)")
        .await?;
    let rows: Vec<_> = BinaryCopyOutStream::new(stream, &types)
        .try_collect()
        .await?;
    same(300, rows.len())?;
    for (id, row) in (0..).zip(&rows) {
        let name = (id % 2 == 0).then(|| format!("name {}", id % 100));
        same(
            (id, name),
            (row.get::<i32>(0), row.get::<Option<String>>(1)),
        )?;
    }
    Ok(())
}

async fn rolled_back() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let mut client = empty_table().await?;
    for i in 1..5 {
        others.shuffle().await?;
        let transaction = client.transaction().await?;
        same(
            10 * i as u64,
            copy_in(transaction.client(), lines(10 * i)).await?,
        )?;
        same(10 * i64::from(i), count(transaction.client()).await?)?;
        transaction.rollback().await?;
        same(0, count(&client).await?)?;
    }
    Ok(())
}

async fn wrong_rows() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let client = empty_table().await?;
    for _ in 0..5 {
        others.shuffle().await?;
        // The error comes while the driver is still sending.
        let wrong = std::iter::once(Ok(Bytes::from("not a number,x\n")));
        let rows = lines(10).chain(wrong).chain(lines(ROWS));
        let error = fails("22P02", copy_in(&client, rows).await)?;
        same(
            true,
            error
                .where_()
                .is_some_and(|place| place.contains("line 11")),
        )?;
        same(0, count(&client).await?)?;
    }
    Ok(())
}

async fn dropped_in() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let client = empty_table().await?;
    for _ in 0..5 {
        others.shuffle().await?;
        let sink = client.copy_in(COPY_IN).await?;
        let mut sink = Box::pin(sink);
        sink.send_all(&mut futures_util::stream::iter(lines(1000)))
            .await?;
        drop(sink); // sends a CopyFail that nobody waits for
        same(0, count(&client).await?)?;
    }
    Ok(())
}

async fn dropped_out() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let client = empty_table().await?;
    for _ in 0..4 {
        others.shuffle().await?;
        let rows = client
            .copy_out("copy (select generate_series(1, 300000)) to stdout")
            .await?;
        let mut rows = Box::pin(rows);
        same(Some(Bytes::from("1\n")), rows.next().await.transpose()?)?;
        drop(rows);
        same(0, count(&client).await?)?;
    }
    Ok(())
}

async fn big_lines() -> Outcome {
    let client = empty_table().await?;
    let line = format!("1,{}\n", "big line".repeat(625_000));
    let rows = (0..2).map(|_| Ok(Bytes::from(line.clone())));
    same(2, copy_in(&client, rows).await?)?;
    let parts: Vec<Bytes> = client
        .copy_out("copy tokio_copy to stdout csv")
        .await?
        .try_collect()
        .await?;
    same(true, line.repeat(2).as_bytes() == parts.concat())
}

//! Values of many types, which this driver sends and takes in binary.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tokio_postgres::types::{Kind, ToSql};

use crate::database::{OtherClients, connect};
use crate::harness::{Outcome, check, same};

const BIG: usize = 5_000_000;

pub async fn run() {
    check("values come back as they went", round_trips()).await;
    check("values that are null", nulls()).await;
    check("5 MB of text and of bytes", big_values()).await;
    check("1000 parameters", many_parameters()).await;
    check(
        "types that the database has made: enum, composite, domain",
        own_types(),
    )
    .await;
}

async fn round_trips() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let client = connect().await?;
    let select = client
        .prepare(
            "select $1::smallint, $2::int, $3::bigint, $4::numeric, $5::real, $6::float8, $7::bool,
             $8::text, $9::bytea, $10::date, $11::time, $12::timestamp, $13::timestamptz,
             $14::jsonb, $15::int[], $16::text[]",
        )
        .await?;
    for i in 0..8_i16 {
        others.shuffle().await?;
        let number = i32::from(i);
        let int8 = i64::MIN + i64::from(i);
        let numeric: Decimal = format!("-1234567890123456.{i}0123").parse()?;
        let real = 1.1 * f32::from(i);
        let double = -1e-300 * f64::from(i);
        let text = format!("naïve 'quotes' \\ \"more\" – Привет, 世界 🐘 $1 {i}");
        let bytes = vec![0_u8, 1, 39, 92, 255, number as u8];
        let date: NaiveDate = format!("199{i}-02-28").parse()?;
        let time: NaiveTime = format!("23:59:0{i}.123456").parse()?;
        let timestamp: NaiveDateTime = format!("200{i}-01-01T00:00:00.000001").parse()?;
        let timestamptz: DateTime<Utc> = format!("2026-11-21T10:35:0{i}.5Z").parse()?;
        let object = json!({ "i": i, "list": [null, "ü", 1.5] });
        let ints = vec![Some(number), None, Some(-number)];
        let texts = vec![
            Some(String::new()),
            None,
            Some("a,b{\"}".into()),
            Some("NULL".into()),
        ];
        let flag = i % 2 == 0;
        let parameters: [&(dyn ToSql + Sync); 16] = [
            &i,
            &number,
            &int8,
            &numeric,
            &real,
            &double,
            &flag,
            &text,
            &bytes,
            &date,
            &time,
            &timestamp,
            &timestamptz,
            &object,
            &ints,
            &texts,
        ];
        let row = client.query_one(&select, &parameters).await?;
        same(i, row.get::<_, i16>(0))?;
        same(number, row.get::<_, i32>(1))?;
        same(int8, row.get::<_, i64>(2))?;
        same(numeric, row.get::<_, Decimal>(3))?;
        same(real, row.get::<_, f32>(4))?;
        same(double, row.get::<_, f64>(5))?;
        same(flag, row.get::<_, bool>(6))?;
        same(text, row.get::<_, String>(7))?;
        same(bytes, row.get::<_, Vec<u8>>(8))?;
        same(date, row.get::<_, NaiveDate>(9))?;
        same(time, row.get::<_, NaiveTime>(10))?;
        same(timestamp, row.get::<_, NaiveDateTime>(11))?;
        same(timestamptz, row.get::<_, DateTime<Utc>>(12))?;
        same(object, row.get::<_, Value>(13))?;
        same(ints, row.get::<_, Vec<Option<i32>>>(14))?;
        same(texts, row.get::<_, Vec<Option<String>>>(15))?;
    }
    Ok(())
}

async fn nulls() -> Outcome {
    let client = connect().await?;
    let sql = "select $1::int, $2::text, $3::bytea, $4::int[], $1 is null and $2 is null";
    for _ in 0..4 {
        let row = client
            .query_one(
                sql,
                &[
                    &None::<i32>,
                    &None::<&str>,
                    &None::<&[u8]>,
                    &None::<Vec<i32>>,
                ],
            )
            .await?;
        same(
            (None, None),
            (row.get::<_, Option<i32>>(0), row.get::<_, Option<&str>>(1)),
        )?;
        same(
            (None, None),
            (
                row.get::<_, Option<&[u8]>>(2),
                row.get::<_, Option<Vec<i32>>>(3),
            ),
        )?;
        same(true, row.get::<_, bool>(4))?;
        let row = client
            .query_one(sql, &[&0, &"", &&[0_u8; 0][..], &Vec::<i32>::new()])
            .await?;
        same(
            (Some(0), Some("")),
            (row.get::<_, Option<i32>>(0), row.get::<_, Option<&str>>(1)),
        )?;
        same(
            (Some(&[][..]), Some(vec![])),
            (
                row.get::<_, Option<&[u8]>>(2),
                row.get::<_, Option<Vec<i32>>>(3),
            ),
        )?;
        same(false, row.get::<_, bool>(4))?;
    }
    Ok(())
}

async fn big_values() -> Outcome {
    let client = connect().await?;
    let text = "naïve".repeat(BIG / 6);
    let bytes: Vec<u8> = (0..BIG).map(|i| (i * i >> 7) as u8).collect();
    for _ in 0..2 {
        let row = client
            .query_one("select $1::text, $2::bytea, length($1)", &[&text, &bytes])
            .await?;
        same(true, text == row.get::<_, &str>(0))?;
        same(true, bytes == row.get::<_, &[u8]>(1))?;
        same(BIG as i32 / 6 * 5, row.get::<_, i32>(2))?;
    }
    Ok(())
}

async fn many_parameters() -> Outcome {
    let client = connect().await?;
    let marks: Vec<String> = (1..=1000).map(|i| format!("${i}::int")).collect();
    let statement = client
        .prepare(&format!("select array[{}]", marks.join(",")))
        .await?;
    for round in 0..3 {
        let values: Vec<i32> = (0..1000).map(|i| i * round).collect();
        let row = client.query_raw(&statement, &values).await?;
        let rows: Vec<_> = futures_util::TryStreamExt::try_collect(row).await?;
        same(values, rows[0].get::<_, Vec<i32>>(0))?;
    }
    Ok(())
}

/// The driver asks the catalog for them while it prepares.
async fn own_types() -> Outcome {
    let owner = connect().await?;
    owner
        .batch_execute(
            "drop schema if exists tokio_types cascade;
             create schema tokio_types;
             create type tokio_types.mood as enum ('sad', 'happy');
             create domain tokio_types.positive as int check (value > 0);
             create type tokio_types.pair as (number int, mood tokio_types.mood)",
        )
        .await?;
    for _ in 0..4 {
        let client = connect().await?;
        let statement = client
            .prepare(
                "select $1::tokio_types.mood, $2::tokio_types.positive, $3::tokio_types.pair[]",
            )
            .await?;
        let kinds: HashMap<&str, &Kind> = statement
            .params()
            .iter()
            .map(|type_| (type_.name(), type_.kind()))
            .collect();
        same(
            Some(&&Kind::Enum(vec!["sad".into(), "happy".into()])),
            kinds.get("mood"),
        )?;
        let Some(Kind::Array(pair)) = kinds.get("_pair") else {
            return Err(format!("no array of pairs in {kinds:?}").into());
        };
        let Kind::Composite(fields) = pair.kind() else {
            return Err(format!("{pair:?} is not composite").into());
        };
        let names: Vec<&str> = fields.iter().map(|field| field.name()).collect();
        same(&["number", "mood"][..], &names[..])?;
        same(3, statement.columns().len())?;
    }
    Ok(())
}

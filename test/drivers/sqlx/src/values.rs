//! Values of many types, which this driver sends and takes in binary, and takes as text from simple queries.

use serde_json::{Value, json};
use sqlx::types::chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use sqlx::types::{Decimal, Json};
use sqlx::{Executor, Row, query, query_as, query_scalar, raw_sql};

use crate::database::{OtherClients, connect};
use crate::harness::{Outcome, check, same};

const BIG: usize = 5_000_000;

pub async fn run() {
    check("values come back as they went", round_trips()).await;
    check("values that are null", nulls()).await;
    check("values as text, from simple queries", as_text()).await;
    check("5 MB of text and of bytes", big_values()).await;
    check("a type of the application's own", own_type()).await;
}

async fn round_trips() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let mut connection = connect().await?;
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
        let row =
            query("select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16")
                .bind(i)
                .bind(number)
                .bind(int8)
                .bind(numeric)
                .bind(real)
                .bind(double)
                .bind(i % 2 == 0)
                .bind(&text)
                .bind(&bytes)
                .bind(date)
                .bind(time)
                .bind(timestamp)
                .bind(timestamptz)
                .bind(Json(&object))
                .bind(&ints)
                .bind(&texts)
                .persistent(i % 4 != 0)
                .fetch_one(&mut connection)
                .await?;
        same(i, row.get::<i16, _>(0))?;
        same(number, row.get::<i32, _>(1))?;
        same(int8, row.get::<i64, _>(2))?;
        same(numeric, row.get::<Decimal, _>(3))?;
        same(real, row.get::<f32, _>(4))?;
        same(double, row.get::<f64, _>(5))?;
        same(i % 2 == 0, row.get::<bool, _>(6))?;
        same(text, row.get::<String, _>(7))?;
        same(bytes, row.get::<Vec<u8>, _>(8))?;
        same(date, row.get::<NaiveDate, _>(9))?;
        same(time, row.get::<NaiveTime, _>(10))?;
        same(timestamp, row.get::<NaiveDateTime, _>(11))?;
        same(timestamptz, row.get::<DateTime<Utc>, _>(12))?;
        same(object, row.get::<Value, _>(13))?;
        same(ints, row.get::<Vec<Option<i32>>, _>(14))?;
        same(texts, row.get::<Vec<Option<String>>, _>(15))?;
    }
    Ok(())
}

type Nullable = (
    Option<i32>,
    Option<String>,
    Option<Vec<u8>>,
    Option<Vec<i32>>,
    bool,
);

async fn nulls() -> Outcome {
    let mut connection = connect().await?;
    let values: [Nullable; 2] = [
        (None, None, None, None, true),
        (
            Some(0),
            Some(String::new()),
            Some(vec![]),
            Some(vec![]),
            false,
        ),
    ];
    for i in 0..8 {
        let (int, text, bytes, ints, is_null) = values[i % 2].clone();
        let row: Nullable = query_as("select $1, $2, $3, $4, $1 is null and $2 is null")
            .bind(int)
            .bind(&text)
            .bind(&bytes)
            .bind(&ints)
            .fetch_one(&mut connection)
            .await?;
        same((int, text, bytes, ints, is_null), row)?;
    }
    Ok(())
}

async fn as_text() -> Outcome {
    let mut connection = connect().await?;
    for _ in 0..4 {
        let sql = "select 1.50::numeric, '\\x00ff'::bytea, date '2026-11-21', '{1,null}'::int[], null::text, 'é' as e";
        let row = raw_sql(sql).fetch_one(&mut connection).await?;
        same("1.50".parse::<Decimal>()?, row.get::<Decimal, _>(0))?;
        same(vec![0, 255], row.get::<Vec<u8>, _>(1))?;
        same(
            "2026-11-21".parse::<NaiveDate>()?,
            row.get::<NaiveDate, _>(2),
        )?;
        same(vec![Some(1), None], row.get::<Vec<Option<i32>>, _>(3))?;
        same(None, row.get::<Option<String>, _>(4))?;
        same("é", row.get::<&str, _>("e"))?;
    }
    Ok(())
}

async fn big_values() -> Outcome {
    let mut connection = connect().await?;
    let text = "naïve".repeat(BIG / 6);
    let bytes: Vec<u8> = (0..BIG).map(|i| (i * i >> 7) as u8).collect();
    for kept in [true, false] {
        let row = query("select $1, $2, length($1)")
            .bind(&text)
            .bind(&bytes)
            .persistent(kept);
        let row = row.fetch_one(&mut connection).await?;
        same(true, text == row.get::<&str, _>(0))?;
        same(true, bytes == row.get::<&[u8], _>(1))?;
        same(BIG as i32 / 6 * 5, row.get::<i32, _>(2))?;
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, sqlx::Type)]
#[sqlx(type_name = "sqlx_mood", rename_all = "lowercase")]
enum Mood {
    Sad,
    Happy,
}

/// The driver asks the catalog for it before it binds the value.
async fn own_type() -> Outcome {
    let mut owner = connect().await?;
    owner
        .execute("drop type if exists sqlx_mood; create type sqlx_mood as enum ('sad', 'happy')")
        .await?;
    for i in 0..4 {
        let mut connection = connect().await?;
        for mood in [Mood::Sad, Mood::Happy] {
            let same_mood = query_scalar("select $1").bind(mood).persistent(i % 2 == 0);
            same(mood, same_mood.fetch_one(&mut connection).await?)?;
        }
        let text: String = query_scalar("select $1::text")
            .bind(Mood::Happy)
            .fetch_one(&mut connection)
            .await?;
        same("happy", &*text)?;
    }
    Ok(())
}

//! Statements that are kept prepared, that are not, and simple ones.

use std::collections::HashSet;

use futures_util::TryStreamExt;
use sqlx::postgres::{PgConnectOptions, PgTypeInfo};
use sqlx::{
    AssertSqlSafe, Column, ConnectOptions, Connection, Either, Executor, PgConnection, Row,
    SqlSafeStr, Statement, TypeInfo, query, query_scalar, raw_sql,
};

use crate::database::{OtherClients, connect};
use crate::harness::{Outcome, check, fails, same};

const TRANSACTIONS: i32 = 24;
const CANCEL: &str = "select pg_cancel_backend(pid) from pg_stat_activity
    where query like '%sqlx is cancelled%' and state = 'active' and pid <> pg_backend_pid()";

pub async fn run() {
    check(
        "a statement is kept and used in many transactions",
        many_transactions(true),
    )
    .await;
    check(
        "a statement that is not kept is used in many transactions",
        many_transactions(false),
    )
    .await;
    check(
        "one connection's transactions run on several servers",
        servers(),
    )
    .await;
    check("more statements than the connection keeps", small_cache()).await;
    check("a connection that keeps no statements", no_cache()).await;
    check("statements are kept and not kept in turns", in_turns()).await;
    check("all kept statements are closed at once", cleared_cache()).await;
    check(
        "statements that the application prepares itself",
        own_statements(),
    )
    .await;
    check(
        "several simple statements in one string",
        simple_statements(),
    )
    .await;
    check(
        "an error in the middle of a string undoes all of it",
        failing_string(),
    )
    .await;
    check("SQL that is wrong", wrong_sql()).await;
    check(
        "a changed result type fails a statement until it is prepared anew",
        changed_result_type(),
    )
    .await;
    check("a stream of rows is dropped early", dropped_stream()).await;
    check("a query that nobody waits for any more", dropped_query()).await;
    check("a query is cancelled from elsewhere", cancelled()).await;
    check(
        "connections are pinged and closed, one after another",
        pings(),
    )
    .await;
    check("a wrong password, a database that is not there", refused()).await;
}

async fn many_transactions(kept: bool) -> Outcome {
    let mut others = OtherClients::connect().await?;
    let mut connection = connect().await?;
    for i in 0..TRANSACTIONS {
        others.shuffle().await?;
        let sum = || {
            query_scalar("select $1::int + 1000")
                .bind(i)
                .persistent(kept)
        };
        let value: i32 = sum().fetch_one(&mut connection).await?;
        same(i + 1000, value)?;
        others.shuffle().await?;
        let mut transaction = connection.begin().await?;
        let text = query_scalar("select $1 || ' and more'").bind(format!("text {i}"));
        let value: String = text.persistent(kept).fetch_one(&mut *transaction).await?;
        same(format!("text {i} and more"), value)?;
        let value: i32 = sum().fetch_one(&mut *transaction).await?;
        same(i + 1000, value)?;
        transaction.commit().await?;
    }
    same(
        if kept { 2 } else { 0 },
        connection.cached_statements_size(),
    )
}

/// That the checks about many transactions mean something.
async fn servers() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let mut connection = connect().await?;
    let mut pids: HashSet<i32> = HashSet::new();
    for _ in 0..TRANSACTIONS {
        others.shuffle().await?;
        pids.insert(
            query_scalar("select pg_backend_pid()")
                .fetch_one(&mut connection)
                .await?,
        );
    }
    same(true, pids.len() > 1)
}

async fn plus(connection: &mut PgConnection, i: i32, number: i32) -> sqlx::Result<i32> {
    let sql = AssertSqlSafe(format!("select $1::int + {number}"));
    query_scalar(sql).bind(i).fetch_one(connection).await
}

async fn small_cache() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let mut connection = PgConnectOptions::new()
        .statement_cache_capacity(3)
        .connect()
        .await?;
    for round in 0..8 {
        others.shuffle().await?;
        for number in 0..10 {
            same(round + number, plus(&mut connection, round, number).await?)?;
        }
    }
    same(3, connection.cached_statements_size())
}

async fn no_cache() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let mut connection = PgConnectOptions::new()
        .statement_cache_capacity(0)
        .connect()
        .await?;
    for round in 0..8 {
        others.shuffle().await?;
        for number in 0..5 {
            same(round + number, plus(&mut connection, round, number).await?)?;
        }
    }
    same(0, connection.cached_statements_size())
}

async fn in_turns() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let mut connection = connect().await?;
    for i in 0..12 {
        others.shuffle().await?;
        let one = query_scalar("select $1::int * 2")
            .bind(i)
            .persistent(i % 3 == 0);
        same(i * 2, one.fetch_one(&mut connection).await?)?;
        let two = query_scalar("select $1::int * 5")
            .bind(i)
            .persistent(i % 2 == 0);
        same(i * 5, two.fetch_one(&mut connection).await?)?;
    }
    Ok(())
}

async fn cleared_cache() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let mut connection = connect().await?;
    for round in 0..4 {
        for number in 0..10 {
            same(round + number, plus(&mut connection, round, number).await?)?;
        }
        others.shuffle().await?;
        same(10, connection.cached_statements_size())?;
        connection.clear_cached_statements().await?;
        same(0, connection.cached_statements_size())?;
    }
    Ok(())
}

async fn own_statements() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let mut connection = connect().await?;
    raw_sql(
        "drop table if exists sqlx_described; create table sqlx_described (id bigint, name text)",
    )
    .execute(&mut connection)
    .await?;
    let statement = (&mut connection)
        .prepare("select * from sqlx_described where name = $1".into_sql_str())
        .await?;
    let Some(Either::Left([parameter])) = statement.parameters() else {
        return Err("not one parameter".into());
    };
    same("TEXT", parameter.name())?;
    let columns: Vec<_> = statement
        .columns()
        .iter()
        .map(|column| (column.name(), column.type_info().name()))
        .collect();
    same(&[("id", "INT8"), ("name", "TEXT")][..], &columns[..])?;
    for i in 0..8_i64 {
        others.shuffle().await?;
        let insert = query("insert into sqlx_described values ($1, $2)")
            .bind(i)
            .bind("a name");
        same(1, insert.execute(&mut connection).await?.rows_affected())?;
        let rows = statement
            .query()
            .bind("a name")
            .fetch_all(&mut connection)
            .await?;
        same(i as usize + 1, rows.len())?;
        same(i, rows[i as usize].get::<i64, _>("id"))?;
    }
    let types = [PgTypeInfo::with_name("INT4")];
    let typed = (&mut connection)
        .prepare_with("select $1 + 1".into_sql_str(), &types)
        .await?;
    same(
        6,
        typed
            .query_scalar::<i32>()
            .bind(5)
            .fetch_one(&mut connection)
            .await?,
    )
}

async fn simple_statements() -> Outcome {
    let mut connection = connect().await?;
    for i in 0..8 {
        let sql = format!(
            "select {i}; values (100), (null); set local work_mem to '8MB'; select 'text' as a, 7 as b"
        );
        let mut results = raw_sql(AssertSqlSafe(sql)).fetch_many(&mut connection);
        let mut seen = Vec::new();
        while let Some(result) = results.try_next().await? {
            seen.push(match result {
                Either::Left(done) => format!("{} rows", done.rows_affected()),
                Either::Right(row) if row.len() == 2 => {
                    format!("{} {}", row.get::<&str, _>("a"), row.get::<i32, _>("b"))
                }
                Either::Right(row) => format!("{:?}", row.get::<Option<i32>, _>(0)),
            });
        }
        let first = format!("Some({i})");
        let expected = [
            &*first,
            "1 rows",
            "Some(100)",
            "None",
            "2 rows",
            "0 rows",
            "text 7",
            "1 rows",
        ];
        same(expected.join(", "), seen.join(", "))?;
    }
    same(0, connection.execute("").await?.rows_affected())
}

async fn failing_string() -> Outcome {
    let mut connection = connect().await?;
    connection
        .execute("drop table if exists sqlx_string; create table sqlx_string (id int)")
        .await?;
    for _ in 0..4 {
        fails(
            "22012",
            connection
                .execute("insert into sqlx_string values (1); select 1 / 0; select 3")
                .await,
        )?;
        same(
            0_i64,
            query_scalar("select count(*) from sqlx_string")
                .fetch_one(&mut connection)
                .await?,
        )?;
    }
    Ok(())
}

async fn wrong_sql() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let mut connection = connect().await?;
    for i in 0..8 {
        others.shuffle().await?;
        let kept = i % 2 == 0;
        let error = fails(
            "42601",
            query("select 1 from from")
                .persistent(kept)
                .execute(&mut connection)
                .await,
        )?;
        same(
            Some(sqlx::postgres::PgErrorPosition::Original(15)),
            error.position(),
        )?;
        fails(
            "42P01",
            query("select * from sqlx_nowhere")
                .persistent(kept)
                .execute(&mut connection)
                .await,
        )?;
        fails(
            "22P02",
            query("select $1::text::int")
                .bind("one")
                .persistent(kept)
                .execute(&mut connection)
                .await,
        )?;
        fails(
            "22012",
            query("select 1 / $1::int")
                .bind(0)
                .persistent(kept)
                .execute(&mut connection)
                .await,
        )?;
        fails(
            "08P01",
            query("select $1::int")
                .persistent(kept)
                .execute(&mut connection)
                .await,
        )?;
        same(
            i,
            query_scalar("select $1::int")
                .bind(i)
                .persistent(kept)
                .fetch_one(&mut connection)
                .await?,
        )?;
    }
    Ok(())
}

/// The same text, prepared on several servers before the table changes.
async fn changed_result_type() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let (mut connection, mut owner) = (connect().await?, connect().await?);
    owner
        .execute("drop table if exists sqlx_plan; create table sqlx_plan as select 1 as one")
        .await?;
    for columns in 1..4 {
        for _ in 0..8 {
            others.shuffle().await?;
            let row = query("select * from sqlx_plan")
                .fetch_one(&mut connection)
                .await?;
            same(columns, row.len())?;
        }
        let alter = format!("alter table sqlx_plan add column more{columns} int");
        owner.execute(AssertSqlSafe(alter)).await?;
        fails(
            "0A000",
            query("select * from sqlx_plan")
                .fetch_one(&mut connection)
                .await,
        )?;
        connection.clear_cached_statements().await?;
    }
    let mut newcomer = connect().await?;
    same(
        4,
        query("select * from sqlx_plan")
            .fetch_one(&mut newcomer)
            .await?
            .len(),
    )
}

async fn dropped_stream() -> Outcome {
    let mut connection = connect().await?;
    for i in 0..4 {
        let sql = "select i from generate_series($1::int, 100000) i";
        let mut rows = query_scalar::<_, i32>(sql).bind(i).fetch(&mut connection);
        same(Some(i), rows.try_next().await?)?;
        same(Some(i + 1), rows.try_next().await?)?;
        drop(rows); // the driver reads the rest before the next query
        same(
            i,
            query_scalar("select $1::int")
                .bind(i)
                .fetch_one(&mut connection)
                .await?,
        )?;
    }
    Ok(())
}

async fn dropped_query() -> Outcome {
    let mut connection = connect().await?;
    for i in 0..4 {
        let sleep = query("select -1, pg_sleep(0.1)").fetch_one(&mut connection);
        let answer = tokio::time::timeout(std::time::Duration::from_millis(30), sleep).await;
        same(true, answer.is_err())?;
        same(
            i,
            query_scalar("select $1::int")
                .bind(i)
                .fetch_one(&mut connection)
                .await?,
        )?;
    }
    Ok(())
}

/// By SQL: this driver sends no cancel requests.
async fn cancelled() -> Outcome {
    let (mut connection, mut other) = (connect().await?, connect().await?);
    let cancelling = tokio::spawn(async move {
        loop {
            if query_scalar(CANCEL).fetch_optional(&mut other).await? == Some(true) {
                return Outcome::Ok(());
            }
        }
    });
    fails(
        "57014",
        query("select pg_sleep(30) /* sqlx is cancelled */")
            .execute(&mut connection)
            .await,
    )?;
    cancelling.await??;
    let mut transaction = connection.begin().await?;
    transaction
        .execute("set local statement_timeout to '50ms'")
        .await?;
    fails(
        "57014",
        query("select pg_sleep(30)")
            .execute(&mut *transaction)
            .await,
    )?;
    transaction.rollback().await?;
    let timeout: String = query_scalar("select current_setting('statement_timeout')")
        .fetch_one(&mut connection)
        .await?;
    same("0", &*timeout)
}

async fn pings() -> Outcome {
    for i in 0..20 {
        let mut connection = connect().await?;
        connection.ping().await?;
        same(
            i + 1,
            query_scalar("select $1::int + 1")
                .bind(i)
                .fetch_one(&mut connection)
                .await?,
        )?;
        connection.ping().await?;
        match i % 3 {
            0 => connection.close().await?,
            1 => connection.close_hard().await?,
            _ => drop(connection),
        }
    }
    Ok(())
}

async fn refused() -> Outcome {
    fails(
        "3D000",
        PgConnectOptions::new()
            .database("sqlx_nowhere")
            .connect()
            .await,
    )?;
    fails(
        "28P01",
        PgConnectOptions::new().password("wrong").connect().await,
    )?;
    Ok(())
}

//! Prepared statements, typed queries and simple ones.

use std::collections::HashSet;

use futures_util::TryStreamExt;
use tokio_postgres::SimpleQueryMessage::{CommandComplete, Row, RowDescription};
use tokio_postgres::types::Type;
use tokio_postgres::{AsyncMessage, NoTls};

use crate::database::{OtherClients, config, connect};
use crate::harness::{Outcome, check, fails, same};

const TRANSACTIONS: i32 = 24;

pub async fn run() {
    check(
        "a statement is prepared once and used in many transactions",
        many_transactions(),
    )
    .await;
    check(
        "one client's transactions run on several servers",
        servers(),
    )
    .await;
    check(
        "one text is prepared again and again, and dropped",
        prepared_again(),
    )
    .await;
    check(
        "one text is prepared by two clients, one drops it",
        shared_text(),
    )
    .await;
    check("one text with parameters of other types", other_types()).await;
    check("typed queries, which are not prepared", typed_queries()).await;
    check(
        "a statement's parameters and columns are described",
        descriptions(),
    )
    .await;
    check("several simple statements in one string", simple_queries()).await;
    check(
        "an error in the middle of a string undoes all of it",
        failing_batch(),
    )
    .await;
    check(
        "a prepare that fails, and statements after it",
        failing_prepare(),
    )
    .await;
    check(
        "a changed result type fails a statement until it is prepared anew",
        changed_result_type(),
    )
    .await;
    check("notices come to the connection", notices()).await;
    check("a connection is checked by a lone Sync", lone_sync()).await;
    check("connections one after another", reconnecting()).await;
    check("a wrong password, a database that is not there", refused()).await;
}

async fn many_transactions() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let mut client = connect().await?;
    let sum = client.prepare("select $1::int + 1000").await?;
    let text = client.prepare("select $1 || ' and more'").await?;
    for i in 0..TRANSACTIONS {
        others.shuffle().await?;
        let value: i32 = client.query_one(&sum, &[&i]).await?.get(0);
        same(i + 1000, value)?;
        others.shuffle().await?;
        let transaction = client.transaction().await?;
        let value: String = transaction
            .query_one(&text, &[&format!("text {i}")])
            .await?
            .get(0);
        same(format!("text {i} and more"), value)?;
        let value: i32 = transaction.query_one(&sum, &[&-i]).await?.get(0);
        same(1000 - i, value)?;
        transaction.commit().await?;
    }
    Ok(())
}

/// That the checks about many transactions mean something.
async fn servers() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let client = connect().await?;
    let pid = client.prepare("select pg_backend_pid()").await?;
    let mut pids = HashSet::new();
    for _ in 0..TRANSACTIONS {
        others.shuffle().await?;
        pids.insert(client.query_one(&pid, &[]).await?.get::<_, i32>(0));
    }
    same(true, pids.len() > 1)
}

async fn prepared_again() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let client = connect().await?;
    for i in 0..50 {
        others.shuffle().await?;
        // Dropped at the end of the round, which sends a Close that nobody waits for.
        let statement = client.prepare("select $1::int - 1").await?;
        let value: i32 = client.query_one(&statement, &[&i]).await?.get(0);
        same(i - 1, value)?;
    }
    Ok(())
}

async fn shared_text() -> Outcome {
    let (one, two) = (connect().await?, connect().await?);
    let kept = two.prepare("select $1::int * 7").await?;
    for i in 0..20 {
        let dropped = one.prepare("select $1::int * 7").await?;
        let value: i32 = one.query_one(&dropped, &[&i]).await?.get(0);
        same(i * 7, value)?;
        drop(dropped);
        let value: i32 = two.query_one(&kept, &[&i]).await?.get(0);
        same(i * 7, value)?;
    }
    Ok(())
}

async fn other_types() -> Outcome {
    let client = connect().await?;
    let sql = "select pg_typeof($1)::text, $1::text";
    let int = client.prepare_typed(sql, &[Type::INT4]).await?;
    let text = client.prepare_typed(sql, &[Type::TEXT]).await?;
    let numbers = client.prepare_typed(sql, &[Type::INT8_ARRAY]).await?;
    for i in 0..8 {
        let row = client.query_one(&int, &[&i]).await?;
        same(("integer", &*i.to_string()), (row.get(0), row.get(1)))?;
        let row = client.query_one(&text, &[&"text"]).await?;
        same(("text", "text"), (row.get(0), row.get(1)))?;
        let row = client.query_one(&numbers, &[&vec![1_i64, 2]]).await?;
        same(("bigint[]", "{1,2}"), (row.get(0), row.get(1)))?;
    }
    Ok(())
}

async fn typed_queries() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let mut client = connect().await?;
    client
        .batch_execute("drop table if exists tokio_typed; create table tokio_typed (id int)")
        .await?;
    for i in 0..10 {
        others.shuffle().await?;
        let row = client
            .query_typed_one("select $1 + 1, $2", &[(&i, Type::INT4), (&"é", Type::TEXT)])
            .await?;
        same((i + 1, "é"), (row.get(0), row.get(1)))?;
        let transaction = client.transaction().await?;
        let insert = "insert into tokio_typed values ($1), ($1 + 100)";
        let rows = transaction.query_typed(insert, &[(&i, Type::INT4)]).await?;
        same(0, rows.len())?;
        let count = "select count(*) from tokio_typed where id = $1";
        let row = transaction
            .query_typed_one(count, &[(&i, Type::INT4)])
            .await?;
        same(1_i64, row.get::<_, i64>(0))?;
        transaction.commit().await?;
        let delete = "delete from tokio_typed where id >= $1";
        same(
            1,
            client.execute_typed(delete, &[(&100, Type::INT4)]).await?,
        )?;
        fails(
            "42P01",
            client.query_typed("select * from tokio_nowhere", &[]).await,
        )?;
    }
    Ok(())
}

async fn descriptions() -> Outcome {
    let client = connect().await?;
    client
        .batch_execute(
            "drop table if exists tokio_described;
             create table tokio_described (id bigint, name text, stamps timestamptz[])",
        )
        .await?;
    for _ in 0..4 {
        let select = client
            .prepare("select * from tokio_described where name = $1")
            .await?;
        same(&[Type::TEXT][..], select.params())?;
        let columns: Vec<_> = select
            .columns()
            .iter()
            .map(|column| (column.name(), column.type_().clone()))
            .collect();
        let expected = [
            ("id", Type::INT8),
            ("name", Type::TEXT),
            ("stamps", Type::TIMESTAMPTZ_ARRAY),
        ];
        same(&expected[..], &columns[..])?;
        let insert = client
            .prepare("insert into tokio_described (id) values ($1)")
            .await?;
        same(
            (&[Type::INT8][..], 0),
            (insert.params(), insert.columns().len()),
        )?;
    }
    Ok(())
}

async fn simple_queries() -> Outcome {
    let client = connect().await?;
    for i in 0..8 {
        let sql = format!(
            "select {i} as number; select 'a' as letter union all select null; set local work_mem to '8MB'"
        );
        let mut seen = Vec::new();
        for message in client.simple_query(&sql).await? {
            seen.push(match message {
                RowDescription(columns) => format!("column {}", columns[0].name()),
                Row(row) => format!("{:?}", row.get(0)),
                CommandComplete(count) => format!("{count} rows"),
                _ => "?".to_string(),
            });
        }
        let number = format!("Some(\"{i}\")");
        let expected = [
            "column number",
            &number,
            "1 rows",
            "column letter",
            "Some(\"a\")",
            "None",
            "2 rows",
            "0 rows",
        ];
        same(&expected[..], &seen[..])?;
        same(1, client.simple_query("").await?.len())?;
    }
    Ok(())
}

async fn failing_batch() -> Outcome {
    let client = connect().await?;
    client
        .batch_execute("drop table if exists tokio_batch; create table tokio_batch (id int)")
        .await?;
    for _ in 0..4 {
        fails(
            "22012",
            client
                .batch_execute("insert into tokio_batch values (1); select 1 / 0; select 3")
                .await,
        )?;
        let count: i64 = client
            .query_one("select count(*) from tokio_batch", &[])
            .await?
            .get(0);
        same(0, count)?;
    }
    Ok(())
}

async fn failing_prepare() -> Outcome {
    let client = connect().await?;
    for i in 0..4 {
        let error = fails("42601", client.prepare("select 1 from from").await)?;
        same(
            Some(&tokio_postgres::error::ErrorPosition::Original(15)),
            error.position(),
        )?;
        fails("42P01", client.prepare("select * from tokio_nowhere").await)?;
        let error = client.query("select $1::int", &[&"text"]).await.err();
        same(Some(true), error.map(|error| error.as_db_error().is_none()))?;
        fails(
            "22P02",
            client.query("select $1::text::int", &[&"text"]).await,
        )?;
        let value: i32 = client.query_one("select $1::int", &[&i]).await?.get(0);
        same(i, value)?;
    }
    Ok(())
}

/// The same text, prepared on several servers before the table changes.
async fn changed_result_type() -> Outcome {
    let mut others = OtherClients::connect().await?;
    let (client, owner) = (connect().await?, connect().await?);
    owner
        .batch_execute(
            "drop table if exists tokio_plan; create table tokio_plan as select 1 as one",
        )
        .await?;
    let sql = "select * from tokio_plan";
    for columns in 1..4 {
        let statement = client.prepare(sql).await?;
        for _ in 0..8 {
            others.shuffle().await?;
            same(columns, client.query_one(&statement, &[]).await?.len())?;
        }
        owner
            .batch_execute(&format!(
                "alter table tokio_plan add column more{columns} int"
            ))
            .await?;
        fails("0A000", client.query_one(&statement, &[]).await)?;
    }
    let newcomer = connect().await?;
    same(4, newcomer.query_one(sql, &[]).await?.len())
}

async fn notices() -> Outcome {
    let (client, mut connection) = config()?.connect(NoTls).await?;
    let messages = futures_util::stream::poll_fn(move |context| connection.poll_message(context));
    let messages = tokio::spawn(messages.try_collect::<Vec<_>>());
    for i in 0..5 {
        client
            .batch_execute(&format!(
                "do $$ begin raise notice 'first {i}'; raise warning 'second {i}'; end $$"
            ))
            .await?;
    }
    drop(client);
    let texts: Vec<String> = messages
        .await??
        .into_iter()
        .filter_map(|message| match message {
            AsyncMessage::Notice(notice) => Some(notice.message().to_string()),
            _ => None,
        })
        .collect();
    let expected: Vec<String> = (0..5)
        .flat_map(|i| [format!("first {i}"), format!("second {i}")])
        .collect();
    same(expected, texts)
}

async fn lone_sync() -> Outcome {
    let mut client = connect().await?;
    for i in 0..4 {
        client.check_connection().await?;
        let transaction = client.transaction().await?;
        transaction.client().check_connection().await?;
        let value: i32 = transaction.query_one("select $1::int", &[&i]).await?.get(0);
        same(i, value)?;
        transaction.client().check_connection().await?;
        transaction.commit().await?;
    }
    Ok(())
}

async fn reconnecting() -> Outcome {
    for i in 0..20 {
        let client = connect().await?;
        let value: i32 = client.query_one("select $1::int + 1", &[&i]).await?.get(0);
        same(i + 1, value)?;
    }
    Ok(())
}

async fn refused() -> Outcome {
    fails(
        "3D000",
        config()?.dbname("tokio_nowhere").connect(NoTls).await,
    )?;
    fails("28P01", config()?.password("wrong").connect(NoTls).await)?;
    Ok(())
}

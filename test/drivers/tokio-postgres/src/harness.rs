//! Runs checks, prints how they went, and compares.

use std::error::Error;
use std::fmt::Debug;
use std::panic::Location;
use std::time::Duration;

use tokio_postgres::error::DbError;

pub type Failure = Box<dyn Error + Send + Sync>;
pub type Outcome = Result<(), Failure>;

const LIMIT: Duration = Duration::from_secs(20);

/// One line of the output. A check that hangs is given up, and the next one begins.
pub async fn check(what: &str, body: impl Future<Output = Outcome> + Send + 'static) {
    let outcome = match tokio::time::timeout(LIMIT, tokio::spawn(body)).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => Err(panic.into()),
        Err(elapsed) => Err(elapsed.into()),
    };
    match outcome {
        Ok(()) => println!("ok {what}"),
        Err(failure) => println!("not ok {what}: {}", one_line(&*failure)),
    }
}

#[track_caller]
pub fn same<A: PartialEq<B> + Debug, B: Debug>(expected: A, actual: B) -> Outcome {
    if expected == actual {
        return Ok(());
    }
    let (expected, actual) = (brief(&expected), brief(&actual));
    Err(format!("{}: expected {expected}, got {actual}", Location::caller()).into())
}

/// The error of PostgreSQL that it must have ended with.
#[track_caller]
pub fn fails<T>(code: &str, result: Result<T, tokio_postgres::Error>) -> Result<DbError, Failure> {
    let place = Location::caller();
    let Err(error) = result else {
        return Err(format!("{place}: no error {code}").into());
    };
    match error.as_db_error() {
        Some(db) if db.code().code() == code => Ok(db.clone()),
        _ => Err(format!("{place}: expected {code}, got {}", one_line(&error)).into()),
    }
}

fn one_line(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text.replace('\n', " ")
}

fn brief(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

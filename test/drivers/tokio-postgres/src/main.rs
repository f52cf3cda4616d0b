//! What applications do with tokio-postgres, through the pooler: one line per check.

mod cancelling;
mod copying;
mod crowd;
mod database;
mod harness;
mod pipelines;
mod statements;
mod transactions;
mod values;

/// What Cargo has resolved.
const LOCK_FILE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock"));

#[tokio::main(flavor = "current_thread")]
async fn main() {
    println!("driver tokio-postgres {}", version_of("tokio-postgres"));
    statements::run().await;
    values::run().await;
    pipelines::run().await;
    transactions::run().await;
    copying::run().await;
    cancelling::run().await;
    crowd::run().await;
    std::process::exit(0); // though a check may still hang in its task
}

fn version_of(package: &str) -> &str {
    let mut lines = LOCK_FILE.lines();
    lines.find(|line| *line == format!("name = \"{package}\""));
    let version = lines.next().unwrap_or_default();
    version.trim_start_matches("version = ").trim_matches('"')
}

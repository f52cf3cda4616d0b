//! Clients, connected to where libpq's variables say.

use std::env::var;

use tokio_postgres::{Client, Config, NoTls};

use crate::harness::{Failure, Outcome};

/// Fewer than the pool's four servers.
const OTHERS: usize = 3;

pub fn config() -> Result<Config, Failure> {
    let mut config = Config::new();
    config
        .host(var("PGHOST")?)
        .port(var("PGPORT")?.parse()?)
        .user(var("PGUSER")?)
        .password(var("PGPASSWORD")?)
        .dbname(var("PGDATABASE")?);
    Ok(config)
}

pub async fn connect() -> Result<Client, Failure> {
    let (client, connection) = config()?.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Clients that hold some of the pool's servers, so that another client's next one changes.
pub struct OtherClients {
    clients: Vec<Client>,
    step: usize,
}

impl OtherClients {
    pub async fn connect() -> Result<Self, Failure> {
        let mut clients = Vec::new();
        for _ in 0..OTHERS {
            clients.push(connect().await?);
        }
        Ok(Self { clients, step: 0 })
    }

    /// Some end their transactions, others begin one: by the bits of a running number.
    pub async fn shuffle(&mut self) -> Outcome {
        self.step += 1;
        for (i, client) in self.clients.iter().enumerate() {
            let holds = self.step >> i & 1 == 1;
            client
                .batch_execute(if holds { "begin; select" } else { "commit" })
                .await?;
        }
        Ok(())
    }
}

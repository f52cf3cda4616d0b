//! Connections, and a pool of them, to where libpq's variables say: sqlx reads these itself.

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, Executor, PgConnection, PgPool};

use crate::harness::Outcome;

/// Fewer than the pooler's four servers.
const OTHERS: usize = 3;

pub async fn connect() -> sqlx::Result<PgConnection> {
    PgConnection::connect_with(&PgConnectOptions::new()).await
}

/// Connects when it needs to.
pub fn pool(connections: u32) -> PgPool {
    let options = PgPoolOptions::new().max_connections(connections);
    options.connect_lazy_with(PgConnectOptions::new())
}

/// Clients that hold some of the servers, so that another client's next one changes.
pub struct OtherClients {
    connections: Vec<PgConnection>,
    step: usize,
}

impl OtherClients {
    pub async fn connect() -> sqlx::Result<Self> {
        let mut connections = Vec::new();
        for _ in 0..OTHERS {
            connections.push(connect().await?);
        }
        Ok(Self {
            connections,
            step: 0,
        })
    }

    /// Some end their transactions, others begin one: by the bits of a running number.
    pub async fn shuffle(&mut self) -> Outcome {
        self.step += 1;
        for (i, connection) in self.connections.iter_mut().enumerate() {
            let holds = self.step >> i & 1 == 1;
            connection
                .execute(if holds { "begin; select" } else { "commit" })
                .await?;
        }
        Ok(())
    }
}

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** Queries that are stopped. */
final class CancelChecks {
  static void run() {
    Checks.checkEach(
        "a running query is cancelled, the connection goes on",
        List.of("preferQueryMode=simple", "prepareThreshold=0", "prepareThreshold=1"),
        CancelChecks::cancel);
    Checks.check("a statement's time is over", CancelChecks::queryTimeout);
    Checks.check("a cancel in a transaction fails it, and only it", CancelChecks::inTransaction);
    Checks.check("a cancel that comes too late hits nobody", CancelChecks::tooLate);
    Checks.check("a transaction's own statement_timeout", CancelChecks::statementTimeout);
    Checks.check("a query that waits for a lock is cancelled", CancelChecks::waitingForLock);
  }

  /** Cancels the statement once PostgreSQL says that it runs. */
  private static void cancelWhenItRuns(Statement statement, String mark) throws Exception {
    try (Connection observer = Database.connect();
        PreparedStatement running =
            observer.prepareStatement(
                "select count(*) from pg_stat_activity where query like ? and state = 'active' and"
                    + " pid <> pg_backend_pid()")) {
      while (Database.value(running, "%" + mark + "%").equals(0L)) Thread.onSpinWait();
      statement.cancel();
    }
  }

  private static void cancel(String option) throws Exception {
    try (OtherClients others = new OtherClients();
        Connection connection = Database.connect(option)) {
      for (int i = 0; i < 3; i++) {
        others.shuffle();
        String mark = option + " round " + i;
        try (PreparedStatement sleep =
            connection.prepareStatement("select pg_sleep(30) /* " + mark + " */")) {
          CompletableFuture<Void> cancelling =
              Checks.inBackground(() -> cancelWhenItRuns(sleep, mark));
          Checks.fails("57014", sleep::executeQuery);
          cancelling.get();
        }
        Checks.same(i, Database.value(connection, "select ?::int", i));
      }
    }
  }

  private static void queryTimeout() throws Exception {
    try (OtherClients others = new OtherClients();
        Connection connection = Database.connect("prepareThreshold=1");
        PreparedStatement sleep = connection.prepareStatement("select pg_sleep(?::int)")) {
      sleep.setQueryTimeout(1);
      Checks.fails("57014", () -> Database.value(sleep, 30));
      for (int i = 0; i < 5; i++) {
        others.shuffle();
        Checks.same(1, Database.column(sleep, 0).size());
      }
    }
  }

  private static void inTransaction() throws Exception {
    try (Connection connection = Database.begin("prepareThreshold=1");
        Statement sleep = connection.createStatement()) {
      Database.execute(connection, "drop table if exists pgjdbc_cancel");
      Database.execute(connection, "create table pgjdbc_cancel (id int)");
      connection.commit();
      Database.change(connection, "insert into pgjdbc_cancel values (?)", 1);
      CompletableFuture<Void> cancelling =
          Checks.inBackground(() -> cancelWhenItRuns(sleep, "in a transaction"));
      Checks.fails("57014", () -> sleep.execute("select pg_sleep(30) -- in a transaction"));
      cancelling.get();
      Checks.fails("25P02", () -> Database.value(connection, "select 1"));
      connection.rollback();
      Checks.same(0L, Database.value(connection, "select count(*) from pgjdbc_cancel"));
      connection.commit();
    }
  }

  /** Cancels again and again while nothing of this client runs, but much of another one. */
  private static void tooLate() throws Exception {
    try (Connection idle = Database.connect();
        Connection busy = Database.connect("prepareThreshold=1");
        Statement statement = idle.createStatement()) {
      CompletableFuture<Void> working =
          Checks.inBackground(
              () -> {
                for (int i = 0; i < 150; i++) {
                  Checks.same(
                      i, Database.value(busy, "select ?::int + length(pg_sleep(0.001)::text)", i));
                }
              });
      while (!working.isDone()) {
        statement.execute("select 1");
        idle.unwrap(org.postgresql.PGConnection.class).cancelQuery();
      }
      working.get();
    }
  }

  private static void statementTimeout() throws Exception {
    try (Connection connection = Database.begin("prepareThreshold=1")) {
      Database.execute(connection, "set local statement_timeout to '50ms'");
      Checks.fails("57014", () -> Database.value(connection, "select pg_sleep(30)::text"));
      connection.rollback();
      Checks.same("0", Database.value(connection, "select current_setting('statement_timeout')"));
      connection.commit();
    }
  }

  private static void waitingForLock() throws Exception {
    try (Connection holder = Database.begin();
        Connection waiter = Database.begin("prepareThreshold=1");
        Statement statement = waiter.createStatement()) {
      Database.execute(holder, "select pg_advisory_xact_lock(42001)");
      CompletableFuture<Void> cancelling =
          Checks.inBackground(() -> cancelWhenItRuns(statement, "waits for a lock"));
      SQLException e =
          Checks.fails(
              "57014",
              () -> statement.execute("select pg_advisory_xact_lock(42001) -- waits for a lock"));
      Checks.same(true, e.getMessage().contains("user request"));
      cancelling.get();
      waiter.rollback();
      holder.commit();
      statement.execute("select pg_advisory_xact_lock(42001)");
      waiter.commit();
    }
  }
}

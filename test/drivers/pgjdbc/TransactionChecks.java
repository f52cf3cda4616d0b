import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.util.List;
import org.postgresql.util.PSQLException;

/** Transactions, savepoints, errors and the ends of connections. */
final class TransactionChecks {
  static void run() {
    Checks.checkEach(
        "an error in a transaction, rollback, and on",
        Database.QUERY_MODES,
        TransactionChecks::errorInTransaction);
    Checks.check("savepoints", TransactionChecks::savepoints);
    Checks.checkEach(
        "what a transaction is after an error",
        List.of("autosave=always", "autosave=conservative"),
        TransactionChecks::autosave);
    Checks.check("constraints that are not kept", TransactionChecks::constraints);
    Checks.check("a deferred constraint fails the commit", TransactionChecks::failingCommit);
    Checks.check("SQL that is wrong", TransactionChecks::wrongSql);
    Checks.check("transactions that only read", TransactionChecks::readOnly);
    Checks.check("a temporary table of a transaction", TransactionChecks::temporaryTable);
    Checks.check("what a client left uncommitted is undone", TransactionChecks::leftWithoutCommit);
    Checks.check("the server of a transaction is ended", TransactionChecks::endedServer);
    Checks.check("connections one after another", TransactionChecks::reconnecting);
    Checks.check("a wrong password, a database that is not there", TransactionChecks::refused);
  }

  private static void makeItems(Connection connection) throws SQLException {
    boolean autoCommit = connection.getAutoCommit();
    connection.setAutoCommit(true);
    Database.execute(connection, "drop table if exists pgjdbc_items");
    Database.execute(
        connection,
        "create table pgjdbc_items (id int primary key, price int constraint positive check (price"
            + " > 0))");
    Database.execute(connection, "insert into pgjdbc_items values (1, 10)");
    connection.setAutoCommit(autoCommit);
  }

  private static List<Object> items(Connection connection) throws SQLException {
    return Database.column(connection, "select id from pgjdbc_items order by id");
  }

  private static void insert(Connection connection, int id) throws SQLException {
    Database.change(connection, "insert into pgjdbc_items values (?, 10)", id);
  }

  private static void errorInTransaction(String option) throws Exception {
    try (OtherClients others = new OtherClients();
        Connection connection = Database.begin(option)) {
      makeItems(connection);
      for (int i = 0; i < 6; i++) {
        others.shuffle();
        insert(connection, 2);
        Checks.fails("23505", () -> insert(connection, 1));
        Checks.fails("25P02", () -> items(connection));
        connection.rollback();
        Checks.same(List.of(1), items(connection));
        Checks.fails("22012", () -> Database.value(connection, "select 1 / ?::int", 0));
        connection.rollback();
      }
      insert(connection, 2);
      connection.commit();
      Checks.same(List.of(1, 2), items(connection));
    }
  }

  private static void savepoints() throws Exception {
    try (Connection connection = Database.begin("prepareThreshold=1")) {
      makeItems(connection);
      for (int i = 0; i < 4; i++) {
        insert(connection, 2);
        Savepoint unnamed = connection.setSavepoint();
        insert(connection, 3);
        Savepoint named = connection.setSavepoint("a \"named\" one");
        Checks.fails("23505", () -> insert(connection, 3));
        connection.rollback(named);
        insert(connection, 4);
        connection.releaseSavepoint(named);
        Checks.same(List.of(1, 2, 3, 4), items(connection));
        connection.rollback(unnamed);
        Checks.same(List.of(1, 2), items(connection));
        connection.rollback();
      }
      Checks.same(List.of(1), items(connection));
    }
  }

  private static void autosave(String autosave) throws Exception {
    try (OtherClients others = new OtherClients();
        Connection connection = Database.begin("prepareThreshold=1", autosave)) {
      makeItems(connection);
      for (int i = 2; i < 6; i++) {
        int id = i;
        others.shuffle();
        insert(connection, id);
        Checks.fails("23505", () -> insert(connection, id));
        if (autosave.equals("autosave=always")) {
          Checks.same(id, items(connection).size());
          connection.commit();
        } else {
          Checks.fails("25P02", () -> items(connection));
          connection.rollback();
          insert(connection, id);
          connection.commit();
        }
      }
      Checks.same(List.of(1, 2, 3, 4, 5), items(connection));
    }
  }

  private static void constraints() throws Exception {
    try (Connection connection = Database.connect("prepareThreshold=1")) {
      makeItems(connection);
      for (int i = 0; i < 4; i++) {
        PSQLException unique = (PSQLException) Checks.fails("23505", () -> insert(connection, 1));
        Checks.same("pgjdbc_items_pkey", unique.getServerErrorMessage().getConstraint());
        Checks.same("Key (id)=(1) already exists.", unique.getServerErrorMessage().getDetail());
        PSQLException check =
            (PSQLException)
                Checks.fails(
                    "23514",
                    () ->
                        Database.change(
                            connection, "insert into pgjdbc_items values (?, ?)", 5, -1));
        Checks.same("positive", check.getServerErrorMessage().getConstraint());
      }
      Checks.same(List.of(1), items(connection));
    }
  }

  private static void failingCommit() throws Exception {
    try (Connection connection = Database.begin("prepareThreshold=1")) {
      Database.execute(connection, "drop table if exists pgjdbc_deferred");
      Database.execute(
          connection, "create table pgjdbc_deferred (id int unique deferrable initially deferred)");
      connection.commit();
      for (int i = 0; i < 4; i++) {
        Database.change(connection, "insert into pgjdbc_deferred values (?), (?)", i, i);
        Checks.fails("23505", connection::commit);
        Checks.same(0L, Database.value(connection, "select count(*) from pgjdbc_deferred"));
        connection.rollback();
      }
    }
  }

  private static void wrongSql() throws Exception {
    for (String mode : Database.QUERY_MODES) {
      try (Connection connection = Database.connect(mode, "prepareThreshold=1")) {
        for (int i = 0; i < 4; i++) {
          PSQLException syntax =
              (PSQLException)
                  Checks.fails("42601", () -> Database.value(connection, "select 1 from from"));
          Checks.same(15, syntax.getServerErrorMessage().getPosition());
          Checks.fails("42P01", () -> Database.value(connection, "select * from pgjdbc_nowhere"));
          Checks.fails("42883", () -> Database.value(connection, "select pgjdbc_no(?::int)", 1));
          Checks.fails("22P02", () -> Database.value(connection, "select ?::text::int", "one"));
          Checks.same(i, Database.value(connection, "select ?::text::int", String.valueOf(i)));
        }
      }
    }
  }

  private static void readOnly() throws Exception {
    try (Connection connection = Database.begin("prepareThreshold=1")) {
      makeItems(connection);
      for (int i = 2; i < 6; i++) {
        int id = i;
        connection.setReadOnly(true);
        Checks.same(id - 1, items(connection).size());
        Checks.fails("25006", () -> insert(connection, id));
        connection.rollback();
        connection.setReadOnly(false);
        insert(connection, id);
        connection.commit();
      }
      Checks.same(List.of(1, 2, 3, 4, 5), items(connection));
    }
  }

  private static void temporaryTable() throws Exception {
    try (OtherClients others = new OtherClients();
        Connection connection = Database.begin("prepareThreshold=1")) {
      for (int i = 0; i < 6; i++) {
        others.shuffle();
        Database.execute(connection, "create temp table pgjdbc_temp (id int) on commit drop");
        Database.change(connection, "insert into pgjdbc_temp values (?)", i);
        Checks.same(i, Database.value(connection, "select id from pgjdbc_temp"));
        connection.commit();
        Checks.fails("42P01", () -> Database.value(connection, "select id from pgjdbc_temp"));
        connection.rollback();
      }
    }
  }

  private static void leftWithoutCommit() throws Exception {
    try (Connection connection = Database.connect()) {
      makeItems(connection);
      for (int i = 2; i < 8; i++) {
        Connection leaving = Database.begin("prepareThreshold=1");
        insert(leaving, i);
        if (i % 2 == 0) leaving.close();
        else leaving.abort(Runnable::run);
      }
      // Waits for those that are still being rolled back, since they have inserted the same keys.
      for (int i = 2; i < 8; i++) insert(connection, i);
      Checks.same(7, items(connection).size());
    }
  }

  private static void endedServer() throws Exception {
    try (Connection connection = Database.begin("prepareThreshold=1");
        Connection killer = Database.connect()) {
      makeItems(connection);
      insert(connection, 2);
      Object pid = Database.value(connection, "select pg_backend_pid()");
      Checks.same(true, Database.value(killer, "select pg_terminate_backend(?, 5000)", pid));
      try {
        items(connection);
        throw new AssertionError("the transaction goes on");
      } catch (SQLException e) {
        // PostgreSQL's own last word, or that the connection is lost.
        if (!e.getSQLState().matches("57P01|08...")) throw e;
      }
      Checks.same(true, connection.isClosed());
      Checks.same(List.of(1), items(killer));
    }
  }

  private static void reconnecting() throws Exception {
    for (int i = 0; i < 20; i++) {
      try (Connection connection = Database.connect("prepareThreshold=1");
          PreparedStatement statement = connection.prepareStatement("select ?::int + ?::int")) {
        Checks.same(i + 1, Database.value(statement, i, 1));
        Checks.same(i + 2, Database.value(statement, i, 2));
      }
    }
  }

  private static void refused() throws Exception {
    Checks.fails("28P01", () -> Database.connect("password=wrong").close());
    String user = System.getenv("PGUSER");
    String password = System.getenv("PGPASSWORD");
    Checks.fails(
        "3D000",
        () -> DriverManager.getConnection(Database.url("pgjdbc_nowhere"), user, password).close());
    try (Connection connection = Database.connect()) {
      Checks.same(1, Database.value(connection, "select 1"));
    }
  }
}

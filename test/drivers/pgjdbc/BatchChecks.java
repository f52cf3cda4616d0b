import static java.util.stream.Collectors.toList;

import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/** Batches, which the driver sends without waiting between. */
final class BatchChecks {
  private static final int ROWS = 1000;
  private static final List<String> OPTIONS =
      List.of(
          "reWriteBatchedInserts=true",
          "prepareThreshold=0",
          "prepareThreshold=1",
          "preferQueryMode=simple",
          "preferQueryMode=extendedCacheEverything");

  static void run() {
    for (String option : OPTIONS) {
      Checks.check(option + ": a batch of 1000 inserts", () -> inserts(option));
    }
    Checks.checkEach("a batch with an error in it", OPTIONS, BatchChecks::errorInBatch);
    Checks.check("a batch of statements without parameters", BatchChecks::statements);
    Checks.check("a batch gives its generated keys", BatchChecks::generatedKeys);
    Checks.check("a batch of large values", BatchChecks::largeValues);
  }

  private static void makeTable(Connection connection) throws Exception {
    Database.execute(connection, "drop table if exists pgjdbc_batch");
    Database.execute(
        connection, "create table pgjdbc_batch (id serial primary key, n int unique, name text)");
    connection.commit();
  }

  private static void inserts(String option) throws Exception {
    try (OtherClients others = new OtherClients();
        Connection connection = Database.begin(option)) {
      makeTable(connection);
      try (PreparedStatement insert =
          connection.prepareStatement("insert into pgjdbc_batch (n, name) values (?, ?)")) {
        for (int round = 0; round < 3; round++) {
          others.shuffle();
          for (int i = 0; i < ROWS; i++) {
            insert.setInt(1, round * ROWS + i);
            insert.setString(2, i % 10 == 0 ? null : "name " + i);
            insert.addBatch();
          }
          int[] counts = insert.executeBatch();
          Checks.same(ROWS, counts.length);
          int expected = option.startsWith("reWrite") ? Statement.SUCCESS_NO_INFO : 1;
          Checks.same(true, Arrays.stream(counts).allMatch(count -> count == expected));
          connection.commit();
        }
      }
      Checks.same(
          IntStream.range(0, 3 * ROWS).boxed().collect(toList()),
          Database.column(connection, "select n from pgjdbc_batch order by n"));
      Checks.same(
          3L * ROWS / 10,
          Database.value(connection, "select count(*) from pgjdbc_batch where name is null"));
    }
  }

  private static void errorInBatch(String option) throws Exception {
    try (OtherClients others = new OtherClients();
        Connection connection = Database.begin(option)) {
      makeTable(connection);
      for (boolean autoCommit : new boolean[] {false, true, false, true}) {
        others.shuffle();
        connection.setAutoCommit(autoCommit);
        try (PreparedStatement insert =
            connection.prepareStatement("insert into pgjdbc_batch (n, name) values (?, ?)")) {
          for (int i = 0; i < 20; i++) {
            insert.setInt(1, i == 13 ? 5 : i);
            insert.setString(2, "name");
            insert.addBatch();
          }
          try {
            insert.executeBatch();
            throw new AssertionError("no error");
          } catch (BatchUpdateException e) {
            Checks.same("23505", e.getSQLState());
            Checks.same(20, e.getUpdateCounts().length);
            Checks.same(Statement.EXECUTE_FAILED, e.getUpdateCounts()[13]);
          }
        }
        if (!autoCommit) connection.rollback();
        // One transaction in auto-commit mode too, but in simple mode each insert is one.
        long left = autoCommit && option.equals("preferQueryMode=simple") ? 19 : 0;
        Checks.same(left, Database.value(connection, "select count(*) from pgjdbc_batch"));
        Database.execute(connection, "truncate pgjdbc_batch");
        if (!autoCommit) connection.commit();
      }
    }
  }

  private static void statements() throws Exception {
    for (String mode : Database.QUERY_MODES) {
      try (Connection connection = Database.begin(mode);
          Statement statement = connection.createStatement()) {
        makeTable(connection);
        for (int i = 0; i < 4; i++) {
          statement.addBatch("insert into pgjdbc_batch (n) select generate_series(1, 30)");
          statement.addBatch("update pgjdbc_batch set name = 'x' where n <= 20");
          statement.addBatch("delete from pgjdbc_batch where n > 5");
          statement.addBatch("delete from pgjdbc_batch");
          Checks.same(new int[] {30, 20, 25, 5}, statement.executeBatch());
          connection.commit();
        }
      }
    }
  }

  private static void generatedKeys() throws Exception {
    for (String option : List.of("reWriteBatchedInserts=true", "prepareThreshold=1")) {
      try (Connection connection = Database.begin(option)) {
        makeTable(connection);
        try (PreparedStatement insert =
            connection.prepareStatement(
                "insert into pgjdbc_batch (n) values (?)", new String[] {"id", "n"})) {
          for (int i = 0; i < 300; i++) {
            insert.setInt(1, 1000 + i);
            insert.addBatch();
          }
          insert.executeBatch();
          List<Integer> keys = new ArrayList<>();
          try (ResultSet rows = insert.getGeneratedKeys()) {
            while (rows.next()) {
              keys.add(rows.getInt("id"));
              Checks.same(rows.getInt("id") + 999, rows.getInt("n"));
            }
          }
          Checks.same(IntStream.rangeClosed(1, 300).boxed().collect(toList()), keys);
        }
        connection.commit();
      }
    }
  }

  private static void largeValues() throws Exception {
    String large = "large ".repeat(10_000);
    try (Connection connection = Database.begin("prepareThreshold=1")) {
      makeTable(connection);
      try (PreparedStatement insert =
          connection.prepareStatement("insert into pgjdbc_batch (n, name) values (?, ?)")) {
        for (int i = 0; i < 60; i++) {
          insert.setInt(1, i);
          insert.setString(2, i + large);
          insert.addBatch();
        }
        insert.executeBatch();
      }
      connection.commit();
      List<Object> names = Database.column(connection, "select name from pgjdbc_batch order by n");
      for (int i = 0; i < 60; i++) Checks.same(i + large, names.get(i));
    }
  }
}

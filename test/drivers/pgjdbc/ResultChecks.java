import static java.util.stream.Collectors.toList;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/** Results in parts, cursors, and result sets that are changed. */
final class ResultChecks {
  private static final int ROWS = 1000;
  private static final List<Object> ALL = IntStream.range(0, ROWS).boxed().collect(toList());

  static void run() {
    Checks.checkEach(
        "two results are read in parts, in turns", Database.THRESHOLDS, ResultChecks::inParts);
    Checks.check("a result is left after its first part", ResultChecks::leftEarly);
    Checks.check("adaptive fetch size", ResultChecks::adaptive);
    Checks.check("the most rows that a statement may give", ResultChecks::maxRows);
    Checks.check("a function gives cursors", ResultChecks::cursors);
    Checks.check("a scrollable result set is changed in place", ResultChecks::updatable);
    Checks.check("keys that an insert has made", ResultChecks::generatedKeys);
    Checks.check("notices become warnings", ResultChecks::notices);
  }

  private static void inParts(String option) throws Exception {
    String sql = "select i from generate_series(?::int, ?) i";
    try (OtherClients others = new OtherClients();
        Connection connection = Database.begin(option);
        PreparedStatement first = connection.prepareStatement(sql);
        PreparedStatement second = connection.prepareStatement(sql)) {
      first.setFetchSize(7);
      second.setFetchSize(11);
      for (int round = 0; round < 3; round++) {
        others.shuffle();
        List<Object> firstValues = new ArrayList<>();
        List<Object> secondValues = new ArrayList<>();
        try (ResultSet one = generate(first);
            ResultSet two = generate(second)) {
          while (one.next() & two.next()) {
            firstValues.add(one.getObject(1));
            secondValues.add(two.getObject(1));
            if (one.getRow() % 100 == 0) Checks.same(5, Database.value(connection, "select 5"));
          }
        }
        Checks.same(ALL, firstValues);
        Checks.same(ALL, secondValues);
        connection.commit();
      }
    }
  }

  private static ResultSet generate(PreparedStatement statement) throws Exception {
    statement.setInt(1, 0);
    statement.setInt(2, ROWS - 1);
    return statement.executeQuery();
  }

  private static void leftEarly() throws Exception {
    try (Connection connection = Database.begin("prepareThreshold=1", "defaultRowFetchSize=10")) {
      for (int round = 0; round < 6; round++) {
        try (PreparedStatement many =
            connection.prepareStatement("select i from generate_series(?::int, 100000) i")) {
          many.setInt(1, round);
          ResultSet rows = many.executeQuery();
          for (int i = 0; i < 15; i++) {
            Checks.same(true, rows.next());
            Checks.same(round + i, rows.getInt(1));
          }
          if (round % 2 == 0) rows.close();
          Checks.same(round, Database.value(connection, "select ?::int", round));
          if (round % 3 == 0) connection.rollback();
          else connection.commit();
          // Its portal is gone with the transaction.
          if (round % 2 != 0) {
            Checks.fails(
                "34000",
                () -> {
                  while (rows.next()) {}
                });
            connection.rollback();
          }
        }
      }
    }
  }

  private static void adaptive() throws Exception {
    try (Connection connection =
            Database.begin(
                "adaptiveFetch=true", "defaultRowFetchSize=5", "maxResultBuffer=100000");
        PreparedStatement statement =
            connection.prepareStatement(
                "select i, repeat('x', i % 100) from generate_series(?::int, ?) i")) {
      List<Object> values = new ArrayList<>();
      try (ResultSet rows = generate(statement)) {
        while (rows.next()) {
          values.add(rows.getObject(1));
          Checks.same(rows.getInt(1) % 100, rows.getString(2).length());
        }
      }
      Checks.same(ALL, values);
      connection.commit();
    }
  }

  private static void maxRows() throws Exception {
    for (String option : Database.THRESHOLDS) {
      try (OtherClients others = new OtherClients();
          Connection connection = Database.connect(option);
          PreparedStatement statement =
              connection.prepareStatement("select i from generate_series(1, 100) i")) {
        for (int i = 1; i <= 8; i++) {
          others.shuffle();
          statement.setMaxRows(i);
          Checks.same(i, Database.column(statement).size());
          statement.setMaxRows(0);
          Checks.same(100, Database.column(statement).size());
        }
      }
    }
  }

  private static void cursors() throws Exception {
    try (Connection connection = Database.begin("prepareThreshold=1")) {
      Database.execute(
          connection,
          """
          create or replace function pgjdbc_cursor(n int) returns refcursor language plpgsql as $$
            declare result refcursor;
            begin open result for select generate_series(1, n); return result; end $$
          """);
      connection.commit();
      for (int i = 1; i <= 6; i++) {
        try (PreparedStatement call = connection.prepareStatement("select pgjdbc_cursor(?)")) {
          call.setInt(1, i);
          try (ResultSet rows = call.executeQuery()) {
            Checks.same(true, rows.next());
            int count = 0;
            try (ResultSet inner = (ResultSet) rows.getObject(1)) {
              while (inner.next()) Checks.same(++count, inner.getInt(1));
            }
            Checks.same(i, count);
          }
        }
        connection.commit();
      }
    }
  }

  private static void updatable() throws Exception {
    try (Connection connection = Database.begin();
        Statement statement =
            connection.createStatement(
                ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE)) {
      Database.execute(connection, "drop table if exists pgjdbc_updatable");
      Database.execute(connection, "create table pgjdbc_updatable (id int primary key, name text)");
      Database.execute(
          connection, "insert into pgjdbc_updatable select i, 'old' from generate_series(1, 5) i");
      connection.commit();
      try (ResultSet rows =
          statement.executeQuery("select id, name from pgjdbc_updatable order by id")) {
        Checks.same(true, rows.absolute(4));
        rows.updateString("name", "new");
        rows.updateRow();
        Checks.same(true, rows.absolute(2));
        rows.deleteRow();
        rows.moveToInsertRow();
        rows.updateInt("id", 6);
        rows.updateString("name", "inserted");
        rows.insertRow();
      }
      connection.commit();
      Checks.same(
          List.of("1 old", "3 old", "4 new", "5 old", "6 inserted"),
          Database.column(
              connection, "select id || ' ' || name from pgjdbc_updatable order by id"));
    }
  }

  private static void generatedKeys() throws Exception {
    for (String mode : Database.QUERY_MODES) {
      try (Connection connection = Database.connect(mode)) {
        Database.execute(connection, "drop table if exists pgjdbc_keys");
        Database.execute(connection, "create table pgjdbc_keys (id serial primary key, name text)");
        try (PreparedStatement insert =
            connection.prepareStatement(
                "insert into pgjdbc_keys (name) values (?), (?)",
                Statement.RETURN_GENERATED_KEYS)) {
          for (int i = 0; i < 8; i++) {
            insert.setString(1, "one of " + i);
            insert.setString(2, "two of " + i);
            Checks.same(2, insert.executeUpdate());
            ResultSet keys = insert.getGeneratedKeys();
            for (int key = 1; key <= 2; key++) {
              Checks.same(true, keys.next());
              Checks.same(2 * i + key, keys.getInt("id"));
            }
          }
        }
      }
    }
  }

  private static void notices() throws Exception {
    try (Connection connection = Database.connect();
        Statement statement = connection.createStatement()) {
      for (int i = 0; i < 5; i++) {
        statement.execute(
            "do $$ begin raise notice 'first " + i + "'; raise warning 'second'; end $$");
        Checks.same("first " + i, statement.getWarnings().getMessage());
        Checks.same("second", statement.getWarnings().getNextWarning().getMessage());
        Checks.same("01000", statement.getWarnings().getNextWarning().getSQLState());
        statement.clearWarnings();
      }
    }
  }
}

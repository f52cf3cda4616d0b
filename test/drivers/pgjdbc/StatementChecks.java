import static java.util.Collections.nCopies;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Prepared statements and the driver's query modes. */
final class StatementChecks {
  private static final int TRANSACTIONS = 24;

  static void run() {
    for (String option : Database.THRESHOLDS) {
      Checks.check(
          option + ": a statement is used in many transactions", () -> manyTransactions(option));
    }
    for (String option : Database.QUERY_MODES) {
      Checks.check(
          option + ": a statement is used in many transactions", () -> manyTransactions(option));
    }
    Checks.checkEach(
        "several statements in one string, each with its result",
        Database.QUERY_MODES,
        StatementChecks::severalStatements);
    Checks.check("one connection's transactions run on several servers", StatementChecks::servers);
    Checks.check(
        "more statements than the driver's cache holds", StatementChecks::moreThanTheCacheHolds);
    Checks.check("statements outlive DEALLOCATE ALL and DISCARD ALL", StatementChecks::deallocated);
    Checks.check(
        "the same text means other tables under another search_path", StatementChecks::searchPath);
    Checks.checkEach(
        "the driver heals `cached plan must not change result type` by a new Parse",
        List.of("autosave=never", "autosave=conservative", "autosave=always"),
        autosave -> changedResultType(autosave, true));
    Checks.checkEach(
        "it does so in the middle of a transaction, by a savepoint",
        List.of("autosave=conservative", "autosave=always"),
        autosave -> changedResultType(autosave, false));
    Checks.check(
        "a changed result type fails one transaction without autosave, and the next goes well",
        StatementChecks::changedResultTypeWithoutAutosave);
    Checks.check("a function's result, an OUT parameter, a procedure", StatementChecks::calls);
    Checks.check("parameters and columns are described", StatementChecks::descriptions);
    Checks.check("isValid, and an empty statement", StatementChecks::emptyStatements);
  }

  private static void manyTransactions(String option) throws Exception {
    try (OtherClients others = new OtherClients();
        Connection connection = Database.connect(option);
        PreparedStatement sum = connection.prepareStatement("select ?::int + 1000");
        PreparedStatement text = connection.prepareStatement("select ? || ' and more'")) {
      for (int i = 0; i < TRANSACTIONS; i++) {
        others.shuffle();
        connection.setAutoCommit(i % 4 == 0);
        Checks.same(i + 1000, Database.value(sum, i));
        Checks.same("text " + i + " and more", Database.value(text, "text " + i));
        if (!connection.getAutoCommit()) connection.commit();
      }
    }
  }

  private static void severalStatements(String option) throws Exception {
    try (Connection connection = Database.connect(option);
        Statement statement = connection.createStatement()) {
      for (int i = 0; i < 8; i++) {
        statement.execute("select " + i + "; select 'second'; values (1), (2)");
        Checks.same(List.of(i), columnOf(statement.getResultSet()));
        Checks.same(true, statement.getMoreResults());
        Checks.same(List.of("second"), columnOf(statement.getResultSet()));
        Checks.same(true, statement.getMoreResults());
        Checks.same(List.of(1, 2), columnOf(statement.getResultSet()));
        Checks.same(false, statement.getMoreResults());
      }
      // An error in the middle undoes what stands before it.
      Database.execute(connection, "drop table if exists pgjdbc_several");
      Database.execute(connection, "create table pgjdbc_several (id int)");
      Checks.fails(
          "22012",
          () -> statement.execute("insert into pgjdbc_several values (1); select 1 / 0; select 3"));
      Checks.same(0L, Database.value(connection, "select count(*) from pgjdbc_several"));
    }
  }

  private static List<Object> columnOf(ResultSet rows) throws SQLException {
    List<Object> values = new ArrayList<>();
    while (rows.next()) values.add(rows.getObject(1));
    return values;
  }

  /** That the checks about many transactions mean something. */
  private static void servers() throws Exception {
    try (OtherClients others = new OtherClients();
        Connection connection = Database.connect("prepareThreshold=1");
        PreparedStatement pid = connection.prepareStatement("select pg_backend_pid()")) {
      Set<Object> pids = new HashSet<>();
      for (int i = 0; i < TRANSACTIONS; i++) {
        others.shuffle();
        pids.add(Database.value(pid));
      }
      if (pids.size() < 2) throw new AssertionError("always the same server");
    }
  }

  private static void moreThanTheCacheHolds() throws Exception {
    try (OtherClients others = new OtherClients();
        Connection connection =
            Database.connect("prepareThreshold=1", "preparedStatementCacheQueries=3")) {
      for (int round = 0; round < 8; round++) {
        others.shuffle();
        for (int i = 0; i < 10; i++) {
          Checks.same(round + i, Database.value(connection, "select ?::int + " + i, round));
        }
      }
    }
  }

  private static void deallocated() throws Exception {
    try (OtherClients others = new OtherClients();
        Connection connection = Database.connect("prepareThreshold=1");
        PreparedStatement statement = connection.prepareStatement("select ?::int * 3")) {
      for (String forget : List.of("deallocate all", "discard all", "DEALLOCATE ALL;")) {
        for (int i = 0; i < 4; i++) {
          others.shuffle();
          Checks.same(3 * i, Database.value(statement, i));
        }
        Database.execute(connection, forget);
        Checks.same(30, Database.value(statement, 10));
      }
    }
  }

  private static void searchPath() throws Exception {
    try (Connection connection = Database.begin("prepareThreshold=1")) {
      for (String schema : List.of("pgjdbc_one", "pgjdbc_two")) {
        Database.execute(connection, "drop schema if exists " + schema + " cascade");
        Database.execute(connection, "create schema " + schema);
        Database.execute(
            connection, "create table " + schema + ".place as select '" + schema + "' as name");
      }
      connection.commit();
      try (PreparedStatement place = connection.prepareStatement("select name from place")) {
        for (int i = 0; i < 6; i++) {
          for (String schema : List.of("pgjdbc_one", "pgjdbc_two")) {
            Database.execute(connection, "set local search_path to " + schema);
            Checks.same(schema, Database.value(place));
            connection.commit();
          }
        }
        Checks.fails("42P01", () -> Database.value(place));
        connection.rollback();
      }
    }
  }

  /** The statement is prepared on several servers before the table changes. */
  private static void changedResultType(String autosave, boolean autoCommit) throws Exception {
    String table = autosave.replace("autosave=", "pgjdbc_") + (autoCommit ? "_alone" : "_inside");
    try (OtherClients others = new OtherClients();
        Connection connection = Database.connect("prepareThreshold=1", autosave);
        Connection owner = Database.connect()) {
      Database.execute(owner, "drop table if exists " + table);
      Database.execute(owner, "create table " + table + " as select 1 as one");
      try (PreparedStatement all = connection.prepareStatement("select * from " + table)) {
        connection.setAutoCommit(autoCommit);
        for (int columns = 1; columns <= 3; columns++) {
          for (int i = 0; i < 8; i++) {
            others.shuffle();
            if (!autoCommit) Database.execute(connection, "update " + table + " set one = one + 1");
            Checks.same(nCopies(columns, true), columnsOf(all));
            if (!autoCommit) connection.commit();
          }
          Database.execute(owner, "alter table " + table + " add column more" + columns + " int");
        }
      }
      if (!autoCommit) Checks.same(25, Database.value(owner, "select one from " + table));
    }
  }

  private static List<Boolean> columnsOf(PreparedStatement statement) throws SQLException {
    try (ResultSet rows = statement.executeQuery()) {
      return nCopies(rows.getMetaData().getColumnCount(), rows.next());
    }
  }

  private static void changedResultTypeWithoutAutosave() throws Exception {
    try (Connection connection = Database.begin("prepareThreshold=1");
        Connection owner = Database.connect()) {
      Database.execute(owner, "drop table if exists pgjdbc_plan");
      Database.execute(owner, "create table pgjdbc_plan as select 1 as one");
      try (PreparedStatement all = connection.prepareStatement("select * from pgjdbc_plan")) {
        for (int i = 0; i < 4; i++) {
          Checks.same(nCopies(1, true), columnsOf(all));
          connection.commit();
        }
        Database.execute(owner, "alter table pgjdbc_plan add column more int");
        // The transaction may succeed where the plan is made anew, yet once at most it may fail.
        try {
          columnsOf(all);
        } catch (SQLException e) {
          Checks.same("0A000", e.getSQLState());
          connection.rollback();
        }
        for (int i = 0; i < 4; i++) {
          Checks.same(nCopies(2, true), columnsOf(all));
          connection.commit();
        }
      }
    }
  }

  private static void calls() throws Exception {
    try (Connection connection = Database.connect("prepareThreshold=1")) {
      Database.execute(
          connection,
          """
          create or replace function pgjdbc_twice(n int, out double int, out name text)
            as 'select 2 * n, ''twice '' || n' language sql;
          create or replace procedure pgjdbc_add(n int, inout total int)
            as 'begin total := total + n; end' language plpgsql;
          """);
      for (int i = 0; i < 8; i++) {
        try (var twice = connection.prepareCall("{call pgjdbc_twice(?, ?, ?)}")) {
          twice.setInt(1, i);
          twice.registerOutParameter(2, java.sql.Types.INTEGER);
          twice.registerOutParameter(3, java.sql.Types.VARCHAR);
          twice.execute();
          Checks.same(2 * i, twice.getInt(2));
          Checks.same("twice " + i, twice.getString(3));
        }
        try (var add = connection.prepareCall("call pgjdbc_add(?, ?)")) {
          add.setInt(1, i);
          add.setInt(2, 100);
          add.registerOutParameter(2, java.sql.Types.INTEGER);
          add.execute();
          Checks.same(100 + i, add.getInt(2));
        }
      }
    }
  }

  private static void descriptions() throws Exception {
    try (Connection connection = Database.connect("prepareThreshold=1")) {
      Database.execute(connection, "drop table if exists pgjdbc_described");
      Database.execute(
          connection,
          "create table pgjdbc_described (id bigserial primary key, name varchar(20) not null)");
      for (int i = 0; i < 4; i++) {
        try (PreparedStatement statement =
            connection.prepareStatement("select * from pgjdbc_described where name = ?")) {
          Checks.same("text", statement.getParameterMetaData().getParameterTypeName(1));
          Checks.same("bigserial", statement.getMetaData().getColumnTypeName(1));
          Checks.same(20, statement.getMetaData().getPrecision(2));
          Checks.same(List.of(), Database.column(statement, "nobody"));
        }
      }
      try (ResultSet columns =
          connection.getMetaData().getColumns(null, null, "pgjdbc_described", "%")) {
        List<String> names = new ArrayList<>();
        while (columns.next()) names.add(columns.getString("COLUMN_NAME"));
        Checks.same(List.of("id", "name"), names);
      }
      try (ResultSet keys =
          connection.getMetaData().getPrimaryKeys(null, null, "pgjdbc_described")) {
        Checks.same(true, keys.next());
        Checks.same("id", keys.getString("COLUMN_NAME"));
      }
    }
  }

  private static void emptyStatements() throws Exception {
    for (String mode : Database.QUERY_MODES) {
      try (Connection connection = Database.connect(mode)) {
        for (int i = 0; i < 4; i++) {
          Checks.same(true, connection.isValid(5));
          Database.execute(connection, "");
          Database.execute(connection, "/* nothing */ ;");
          Checks.same(i, Database.value(connection, "select ?::int", i));
        }
      }
    }
  }
}

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

/** Connections to where libpq's variables say, and short ways to ask. */
final class Database {
  static final List<String> QUERY_MODES =
      List.of(
          "preferQueryMode=simple",
          "preferQueryMode=extended",
          "preferQueryMode=extendedForPrepared",
          "preferQueryMode=extendedCacheEverything");
  static final List<String> THRESHOLDS =
      List.of(
          "prepareThreshold=0", "prepareThreshold=1", "prepareThreshold=5", "prepareThreshold=-1");

  /** With options of the driver, each as {@code name=value}. */
  static Connection connect(String... options) throws SQLException {
    Properties properties = new Properties();
    properties.setProperty("user", System.getenv("PGUSER"));
    properties.setProperty("password", System.getenv("PGPASSWORD"));
    properties.setProperty("sslmode", System.getenv("PGSSLMODE"));
    if (System.getenv("PGSSLROOTCERT") != null) {
      properties.setProperty("sslrootcert", System.getenv("PGSSLROOTCERT"));
      properties.setProperty("channelBinding", "require");
    }
    for (String option : options) {
      String[] pair = option.split("=", 2);
      properties.setProperty(pair[0], pair[1]);
    }
    return DriverManager.getConnection(url(System.getenv("PGDATABASE")), properties);
  }

  static String url(String database) {
    return String.format(
        "jdbc:postgresql://%s:%s/%s", System.getenv("PGHOST"), System.getenv("PGPORT"), database);
  }

  /** For transactions that end with a commit or a rollback. */
  static Connection begin(String... options) throws SQLException {
    Connection connection = connect(options);
    connection.setAutoCommit(false);
    return connection;
  }

  /** Statements without parameters, in one go. */
  static void execute(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  static int change(Connection connection, String sql, Object... parameters) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      set(statement, parameters);
      return statement.executeUpdate();
    }
  }

  /** The first column of all rows. */
  static List<Object> column(Connection connection, String sql, Object... parameters)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      return column(statement, parameters);
    }
  }

  static List<Object> column(PreparedStatement statement, Object... parameters)
      throws SQLException {
    set(statement, parameters);
    List<Object> values = new ArrayList<>();
    try (ResultSet rows = statement.executeQuery()) {
      while (rows.next()) values.add(rows.getObject(1));
    }
    return values;
  }

  /** The first column of the only row. */
  static Object value(Connection connection, String sql, Object... parameters) throws SQLException {
    return only(column(connection, sql, parameters));
  }

  static Object value(PreparedStatement statement, Object... parameters) throws SQLException {
    return only(column(statement, parameters));
  }

  private static void set(PreparedStatement statement, Object... parameters) throws SQLException {
    for (int i = 0; i < parameters.length; i++) statement.setObject(i + 1, parameters[i]);
  }

  private static Object only(List<Object> values) {
    Checks.same(1, values.size());
    return values.get(0);
  }
}

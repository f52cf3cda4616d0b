import java.math.BigDecimal;
import java.sql.Array;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Types;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.UUID;

/** Values of many types, as text and in binary. */
final class ValueChecks {
  private static final int BIG = 5_000_000;
  private static final String[] COLUMNS = {
    "int2",
    "int4",
    "int8",
    "numeric",
    "float4",
    "float8",
    "bool",
    "text",
    "bytea",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "uuid",
    "jsonb",
    "int4[]",
    "text[]"
  };

  static void run() {
    for (String option : Database.QUERY_MODES) {
      Checks.check(option + ": values come back as they went", () -> roundTrips(option));
    }
    Checks.check("values in binary from the first use on", () -> roundTrips("prepareThreshold=-1"));
    Checks.check("values without binary", () -> roundTrips("binaryTransfer=false"));
    Checks.checkEach(
        "5 MB of text and of bytes",
        List.of("preferQueryMode=simple", "prepareThreshold=0", "prepareThreshold=-1"),
        ValueChecks::bigValues);
  }

  private static void roundTrips(String option) throws Exception {
    String columns = "";
    String marks = "?";
    for (String type : COLUMNS) columns += ", \"" + type + "\" " + type;
    for (String type : COLUMNS) marks += ", ?::" + type;
    try (OtherClients others = new OtherClients();
        Connection connection = Database.begin(option)) {
      Database.execute(connection, "drop table if exists pgjdbc_values");
      Database.execute(connection, "create table pgjdbc_values (id int" + columns + ")");
      connection.commit();
      try (PreparedStatement insert =
              connection.prepareStatement("insert into pgjdbc_values values (" + marks + ")");
          PreparedStatement select =
              connection.prepareStatement("select * from pgjdbc_values where id = ?")) {
        for (int i = 0; i < 8; i++) {
          others.shuffle();
          Object[] values = i % 4 == 3 ? new Object[COLUMNS.length] : someValues(connection, i);
          insert.setInt(1, i);
          for (int c = 0; c < values.length; c++) {
            if (values[c] == null) insert.setNull(c + 2, Types.OTHER);
            else insert.setObject(c + 2, values[c]);
          }
          Checks.same(1, insert.executeUpdate());
          connection.commit();
          select.setInt(1, i);
          try (ResultSet rows = select.executeQuery()) {
            Checks.same(true, rows.next());
            for (int c = 0; c < values.length; c++) {
              Checks.same(plain(values[c]), read(rows, c + 2, values[c]));
            }
            Checks.same(false, rows.next());
          }
          connection.commit();
        }
      }
    }
  }

  private static Object[] someValues(Connection connection, int i) throws SQLException {
    return new Object[] {
      (short) (i - 3),
      i * 100_000_007,
      Long.MIN_VALUE + i,
      new BigDecimal("-12345678901234567890.00123456789").add(BigDecimal.valueOf(i)),
      1.1f * i,
      -1e-300 * i,
      i % 2 == 0,
      "naïve 'quotes' \\ \"more\" – Привет, 世界 🐘 ? $1 " + i,
      new byte[] {0, 1, 39, 92, -1, (byte) i},
      LocalDate.of(1990 + i, 2, 28),
      LocalTime.of(23, 59, i, 123_456_000),
      LocalDateTime.of(2000 + i, 1, 1, 0, 0, 0, 1000),
      OffsetDateTime.parse("2026-11-21T10:35:0" + i + ".5Z"),
      new UUID(i, -i),
      "{\"i\": " + i + ", \"list\": [null, \"ü\"]}",
      connection.createArrayOf("int4", new Integer[] {i, null, -i}),
      connection.createArrayOf("text", new String[] {"", "a,b", null, "{\"}", "NULL"}),
    };
  }

  private static Object read(ResultSet rows, int column, Object like) throws SQLException {
    if (like == null) return rows.getObject(column);
    if (like instanceof Array) return rows.getArray(column).getArray();
    if (like instanceof String) return rows.getString(column); // jsonb has no class of its own
    if (like instanceof byte[]) return rows.getBytes(column);
    return rows.getObject(column, like.getClass());
  }

  private static Object plain(Object value) throws SQLException {
    return value instanceof Array array ? array.getArray() : value;
  }

  private static void bigValues(String option) throws Exception {
    byte[] bytes = new byte[BIG];
    new Random(1).nextBytes(bytes);
    String text = "naïve".repeat(BIG / 5);
    try (Connection connection = Database.connect(option);
        PreparedStatement big = connection.prepareStatement("select ?::text, ?::bytea")) {
      big.setString(1, text);
      big.setBytes(2, bytes);
      try (ResultSet rows = big.executeQuery()) {
        Checks.same(true, rows.next());
        Checks.same(true, text.equals(rows.getString(1)));
        Checks.same(true, Arrays.equals(bytes, rows.getBytes(2)));
      }
    }
  }
}

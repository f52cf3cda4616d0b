import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.StringReader;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.util.Arrays;
import java.util.Random;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyIn;
import org.postgresql.copy.CopyManager;
import org.postgresql.copy.CopyOut;
import org.postgresql.largeobject.LargeObject;
import org.postgresql.largeobject.LargeObjectManager;

/** COPY both ways, and large objects, for which the driver calls functions by the fast path. */
final class CopyChecks {
  private static final int ROWS = 20_000;

  static void run() {
    Checks.check("COPY of 20000 rows in and out", CopyChecks::inAndOut);
    Checks.check("COPY in binary, out and in again", CopyChecks::binary);
    Checks.check("COPY in a transaction, rolled back", CopyChecks::rolledBack);
    Checks.check("COPY of rows that are wrong", CopyChecks::wrongRows);
    Checks.check("COPY cancelled by the client, in and out", CopyChecks::cancelled);
    Checks.check("large objects are written, read and removed", CopyChecks::largeObjects);
    Checks.check("a large object that is not there", CopyChecks::noLargeObject);
  }

  private static CopyManager copyOf(Connection connection) throws Exception {
    return connection.unwrap(PGConnection.class).getCopyAPI();
  }

  private static void makeTable(Connection connection) throws Exception {
    Database.execute(connection, "drop table if exists pgjdbc_copy");
    Database.execute(connection, "create table pgjdbc_copy (id int, name text)");
  }

  private static String rows(int count) {
    StringBuilder csv = new StringBuilder();
    for (int i = 0; i < count; i++) csv.append(i).append(",name № ").append(i).append('\n');
    return csv.toString();
  }

  private static Object count(Connection connection) throws Exception {
    return Database.value(connection, "select count(*) from pgjdbc_copy");
  }

  private static void inAndOut() throws Exception {
    try (Connection connection = Database.connect()) {
      makeTable(connection);
      String csv = rows(ROWS);
      CopyManager copy = copyOf(connection);
      Checks.same(
          (long) ROWS, copy.copyIn("copy pgjdbc_copy from stdin csv", new StringReader(csv)));
      StringWriter out = new StringWriter();
      Checks.same(
          (long) ROWS,
          copy.copyOut("copy (select * from pgjdbc_copy order by id) to stdout csv", out));
      Checks.same(true, csv.equals(out.toString()));
    }
  }

  private static void binary() throws Exception {
    try (Connection connection = Database.connect()) {
      makeTable(connection);
      CopyManager copy = copyOf(connection);
      copy.copyIn("copy pgjdbc_copy from stdin csv", new StringReader(rows(500)));
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      copy.copyOut("copy pgjdbc_copy to stdout (format binary)", bytes);
      InputStream again = new java.io.ByteArrayInputStream(bytes.toByteArray());
      Checks.same(500L, copy.copyIn("copy pgjdbc_copy from stdin (format binary)", again));
      Checks.same(
          500L,
          Database.value(
              connection,
              "select count(*) from (select id, name from pgjdbc_copy group by 1, 2 having count(*)"
                  + " = 2) x"));
    }
  }

  private static void rolledBack() throws Exception {
    try (OtherClients others = new OtherClients();
        Connection connection = Database.begin("prepareThreshold=1")) {
      makeTable(connection);
      connection.commit();
      for (int i = 1; i < 5; i++) {
        others.shuffle();
        copyOf(connection)
            .copyIn("copy pgjdbc_copy from stdin csv", new StringReader(rows(10 * i)));
        Checks.same(10L * i, count(connection));
        connection.rollback();
        Checks.same(0L, count(connection));
        connection.commit();
      }
    }
  }

  private static void wrongRows() throws Exception {
    try (OtherClients others = new OtherClients();
        Connection connection = Database.connect("prepareThreshold=1")) {
      makeTable(connection);
      for (int i = 0; i < 5; i++) {
        others.shuffle();
        // The error comes while the driver is still sending.
        String wrong = rows(10) + "not a number,x\n" + rows(ROWS);
        Checks.fails(
            "22P02",
            () ->
                copyOf(connection)
                    .copyIn("copy pgjdbc_copy from stdin csv", new StringReader(wrong)));
        Checks.fails(
            "42P01",
            () ->
                copyOf(connection)
                    .copyIn("copy pgjdbc_nowhere from stdin", new StringReader(wrong)));
        Checks.same(0L, count(connection));
      }
    }
  }

  private static void cancelled() throws Exception {
    try (OtherClients others = new OtherClients();
        Connection connection = Database.connect("prepareThreshold=1")) {
      makeTable(connection);
      for (int i = 0; i < 4; i++) {
        others.shuffle();
        CopyIn in = copyOf(connection).copyIn("copy pgjdbc_copy from stdin csv");
        byte[] csv = rows(100).getBytes(StandardCharsets.UTF_8);
        in.writeToCopy(csv, 0, csv.length);
        in.flushCopy();
        in.cancelCopy();
        Checks.same(0L, count(connection));
        CopyOut out =
            copyOf(connection).copyOut("copy (select generate_series(1, 3000000)) to stdout");
        Checks.same("1\n", new String(out.readFromCopy(), StandardCharsets.UTF_8));
        connection.unwrap(PGConnection.class).cancelQuery();
        Checks.fails(
            "57014",
            () -> {
              while (out.readFromCopy() != null) {}
            });
        Checks.same(0L, count(connection));
      }
    }
  }

  private static void largeObjects() throws Exception {
    byte[] bytes = new byte[300_000];
    new Random(2).nextBytes(bytes);
    try (OtherClients others = new OtherClients();
        Connection connection = Database.begin("prepareThreshold=1")) {
      LargeObjectManager manager = connection.unwrap(PGConnection.class).getLargeObjectAPI();
      for (int i = 0; i < 4; i++) {
        others.shuffle();
        long oid = manager.createLO();
        try (LargeObject object = manager.open(oid, LargeObjectManager.READWRITE)) {
          object.write(bytes);
          object.seek(1000);
          object.write(new byte[] {1, 2, 3});
        }
        connection.commit();
        others.shuffle();
        byte[] expected = bytes.clone();
        System.arraycopy(new byte[] {1, 2, 3}, 0, expected, 1000, 3);
        try (LargeObject object = manager.open(oid, LargeObjectManager.READWRITE)) {
          Checks.same(bytes.length, object.size());
          Checks.same(true, Arrays.equals(expected, object.read(bytes.length + 10)));
          object.seek64(-5, LargeObject.SEEK_END);
          Checks.same(Arrays.copyOfRange(expected, bytes.length - 5, bytes.length), object.read(5));
          object.truncate(1002);
          Checks.same(1002, object.size());
        }
        manager.unlink(oid);
        connection.commit();
        Checks.same(
            0L,
            Database.value(
                connection, "select count(*) from pg_largeobject_metadata where oid = ?", oid));
        connection.commit();
      }
    }
  }

  private static void noLargeObject() throws Exception {
    try (Connection connection = Database.begin("prepareThreshold=1")) {
      LargeObjectManager manager = connection.unwrap(PGConnection.class).getLargeObjectAPI();
      for (int i = 0; i < 4; i++) {
        Checks.fails("42704", () -> manager.open(1L, LargeObjectManager.READ));
        connection.rollback();
        Checks.same(i, Database.value(connection, "select ?::int", i));
        connection.commit();
      }
    }
  }
}

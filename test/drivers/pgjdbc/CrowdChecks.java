import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** More clients at once than the pool has servers. */
final class CrowdChecks {
  private static final int CLIENTS = 16;
  private static final int ROUNDS = 30;
  private static final String[] OPTIONS = {
    "prepareThreshold=0",
    "prepareThreshold=1",
    "prepareThreshold=5",
    "prepareThreshold=-1",
    "preferQueryMode=simple",
    "preferQueryMode=extended",
    "preferQueryMode=extendedCacheEverything",
    "autosave=always",
  };

  interface Client {
    void run(int number) throws Exception;
  }

  static void run() {
    Checks.check("16 threads, each gets its own answers", () -> all(CrowdChecks::ownAnswers));
    Checks.check("16 threads move money, none is lost", CrowdChecks::money);
    Checks.check("16 threads with errors of their own", () -> all(CrowdChecks::ownErrors));
    Checks.check("16 threads read results in parts", () -> all(CrowdChecks::inParts));
  }

  private static void all(Client client) throws Exception {
    List<CompletableFuture<Void>> clients = new ArrayList<>();
    for (int i = 0; i < CLIENTS; i++) {
      int number = i;
      clients.add(Checks.inBackground(() -> client.run(number)));
    }
    for (CompletableFuture<Void> each : clients) each.get();
  }

  private static Connection connect(int number) throws SQLException {
    return Database.connect(OPTIONS[number % OPTIONS.length]);
  }

  private static void ownAnswers(int number) throws Exception {
    try (Connection connection = connect(number);
        PreparedStatement mine = connection.prepareStatement("select ?::int, ?::text");
        PreparedStatement own = connection.prepareStatement("select ?::int * " + number)) {
      for (int i = 0; i < ROUNDS; i++) {
        int value = number * 1000 + i;
        connection.setAutoCommit(i % 3 != 0);
        Checks.same(value, Database.value(mine, value, "client " + number));
        Checks.same(i * number, Database.value(own, i));
        if (!connection.getAutoCommit()) connection.commit();
      }
    }
  }

  private static void money() throws Exception {
    try (Connection connection = Database.connect()) {
      Database.execute(connection, "drop table if exists pgjdbc_accounts");
      Database.execute(
          connection,
          "create table pgjdbc_accounts as select i as id, 1000 as money from generate_series(0,"
              + " 15) i");
      all(CrowdChecks::move);
      Checks.same(16_000L, Database.value(connection, "select sum(money) from pgjdbc_accounts"));
      Checks.same(
          16L,
          Database.value(connection, "select count(*) from pgjdbc_accounts where money = 1000"));
    }
  }

  /** Gives each other account the same, so that in the end all have what they had. */
  private static void move(int number) throws Exception {
    String sql = "update pgjdbc_accounts set money = money + ? where id = ?";
    try (Connection connection = connect(number);
        PreparedStatement update = connection.prepareStatement(sql)) {
      connection.setAutoCommit(false);
      for (int other = 0; other < CLIENTS; other++) {
        // In the order of the accounts, or clients could wait for each other.
        boolean first = number < other;
        pay(update, first ? -7 : 7, first ? number : other);
        pay(update, first ? 7 : -7, first ? other : number);
        connection.commit();
      }
    }
  }

  private static void pay(PreparedStatement update, int amount, int account) throws SQLException {
    update.setInt(1, amount);
    update.setInt(2, account);
    Checks.same(1, update.executeUpdate());
  }

  private static void ownErrors(int number) throws Exception {
    try (Connection connection = connect(number)) {
      connection.setAutoCommit(false);
      for (int i = 0; i < ROUNDS / 2; i++) {
        String text = "client " + number + " round " + i;
        SQLException e =
            Checks.fails("22P02", () -> Database.value(connection, "select ?::text::int", text));
        Checks.same(true, e.getMessage().contains(text));
        connection.rollback();
        Checks.same(text, Database.value(connection, "select ?::text", text));
        connection.commit();
      }
    }
  }

  private static void inParts(int number) throws Exception {
    try (Connection connection = connect(number);
        PreparedStatement rows =
            connection.prepareStatement("select i + ?::int from generate_series(1, 200) i")) {
      connection.setAutoCommit(false);
      rows.setFetchSize(9 + number);
      for (int i = 0; i < 5; i++) {
        List<Object> values = Database.column(rows, number * 1000);
        Checks.same(200, values.size());
        for (int row = 0; row < 200; row++) Checks.same(number * 1000 + row + 1, values.get(row));
        connection.commit();
      }
    }
  }
}

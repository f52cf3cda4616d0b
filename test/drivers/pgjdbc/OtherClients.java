import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;

/** Clients that hold some of the pool's four servers, so that another client's next one changes. */
final class OtherClients implements AutoCloseable {
  private static final int CLIENTS = 3;

  /** For all checks: connecting takes long. */
  private static final List<Connection> CONNECTIONS = new ArrayList<>();

  private int step = 0;

  OtherClients() throws SQLException {
    while (CONNECTIONS.size() < CLIENTS) CONNECTIONS.add(Database.begin());
  }

  /** Some end their transactions, others begin one: by the bits of a running number. */
  void shuffle() throws SQLException {
    step++;
    for (int i = 0; i < CLIENTS; i++) {
      Connection connection = CONNECTIONS.get(i);
      if ((step >> i & 1) == 0) connection.commit();
      else Database.execute(connection, "select");
    }
  }

  @Override
  public void close() throws SQLException {
    for (Connection connection : CONNECTIONS) connection.commit();
  }
}

import java.sql.Connection;

/** What applications do with pgjdbc, through the pooler: one line per check. */
public final class Application {
  public static void main(String[] arguments) throws Exception {
    try (Connection connection = Database.connect()) {
      System.out.println("driver pgjdbc " + connection.getMetaData().getDriverVersion());
    }
    StatementChecks.run();
    ValueChecks.run();
    ResultChecks.run();
    TransactionChecks.run();
    BatchChecks.run();
    CopyChecks.run();
    CancelChecks.run();
    CrowdChecks.run();
    System.exit(0); // though a check may still hang in its thread
  }
}

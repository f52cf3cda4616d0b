import java.sql.SQLException;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Runs checks, prints how they went, and compares. */
final class Checks {
  private static final int LIMIT_SECONDS = 20;

  interface Body {
    void run() throws Exception;
  }

  interface BodyWithOption {
    void run(String option) throws Exception;
  }

  /** One line of the output. A check that hangs is given up, and the next one begins. */
  static void check(String what, Body body) {
    try {
      inBackground(body).get(LIMIT_SECONDS, TimeUnit.SECONDS);
      System.out.println("ok " + what);
    } catch (TimeoutException | InterruptedException e) {
      System.out.println("not ok " + what + ": not done after " + LIMIT_SECONDS + " s");
    } catch (ExecutionException e) {
      String why = String.valueOf(rootOf(e)).replaceAll("\\s+", " ");
      System.out.println("not ok " + what + ": " + why);
    }
  }

  /** One check, done with each of the options; its failure names the option. */
  static void checkEach(String what, List<String> options, BodyWithOption body) {
    check(
        what,
        () -> {
          for (String option : options) {
            try {
              body.run(option);
            } catch (Exception | AssertionError e) {
              throw new AssertionError(option + ": " + e, e);
            }
          }
        });
  }

  static CompletableFuture<Void> inBackground(Body body) {
    CompletableFuture<Void> done = new CompletableFuture<>();
    Thread thread =
        new Thread(
            () -> {
              try {
                body.run();
                done.complete(null);
              } catch (Throwable e) {
                done.completeExceptionally(e);
              }
            });
    thread.setDaemon(true);
    thread.start();
    return done;
  }

  static void same(Object expected, Object actual) {
    if (!Objects.deepEquals(expected, actual)) {
      throw new AssertionError("expected " + brief(expected) + ", got " + brief(actual));
    }
  }

  /** The error with this SQLSTATE that the body ends with. */
  static SQLException fails(String state, Body body) throws Exception {
    try {
      body.run();
    } catch (SQLException e) {
      if (!state.equals(e.getSQLState())) throw e;
      return e;
    }
    throw new AssertionError("no error " + state);
  }

  private static Throwable rootOf(ExecutionException e) {
    Throwable cause = e.getCause();
    while (cause instanceof ExecutionException || cause instanceof CompletionException) {
      cause = cause.getCause();
    }
    return cause;
  }

  private static String brief(Object value) {
    String text = String.valueOf(value);
    return text.length() < 200 ? text : text.substring(0, 200) + "…";
  }
}

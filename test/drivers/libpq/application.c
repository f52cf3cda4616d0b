/* What applications in C do with libpq, through the pooler. The environment says where it is. */
#include <arpa/inet.h>
#include <libpq-fe.h>
#include <libpq/libpq-fs.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { CLIENTS = 16, LARGE = 5000000 };

/* Ends a check with the reason why it failed. */
#define REQUIRE(condition)                                                                                   \
    do {                                                                                                     \
        if (!(condition)) return fail("line %d: %s: %s", __LINE__, #condition, PQerrorMessage(conn));        \
    } while (0)

static const char *fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The reason is kept for the thread that asks for it. */
static const char *fail(const char *format, ...)
{
    static _Thread_local char reason[1000];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    for (char *at = reason; *at != '\0'; at++)
        if (*at == '\n') *at = ' ';
    return reason;
}

/* Whether a result has this status, and is freed. */
static bool is(PGresult *result, ExecStatusType status)
{
    bool same = PQresultStatus(result) == status;
    PQclear(result);
    return same;
}

/* Whether a result is this error, and is freed. */
static bool is_error(PGresult *result, const char *sqlstate)
{
    const char *got = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    bool same = got != NULL && strcmp(got, sqlstate) == 0;
    PQclear(result);
    return same;
}

/* Whether a result is one row whose first column is this, and is freed. */
static bool is_value(PGresult *result, const char *value)
{
    bool same = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1 &&
                strcmp(PQgetvalue(result, 0, 0), value) == 0;
    PQclear(result);
    return same;
}

static bool run(PGconn *conn, const char *sql) { return is(PQexec(conn, sql), PGRES_COMMAND_OK); }

static bool gives(PGconn *conn, const char *sql, const char *value)
{
    return is_value(PQexec(conn, sql), value);
}

/* No more results. */
static bool is_end(PGconn *conn) { return PQgetResult(conn) == NULL; }

static PGresult *with_text(PGconn *conn, const char *sql, const char *value)
{
    return PQexecParams(conn, sql, 1, NULL, &value, NULL, NULL, 0);
}

static PGresult *prepared(PGconn *conn, const char *name, const char *value)
{
    return PQexecPrepared(conn, name, 1, &value, NULL, NULL, 0);
}

static const char *parameters(PGconn *conn)
{
    REQUIRE(is_value(with_text(conn, "select $1::int + 1", "41"), "42"));
    REQUIRE(is_value(with_text(conn, "select $1::text is null", NULL), "t"));
    const char *texts[] = {"2024-02-29 12:34:56.789+00", "12345678901234567890.123456789", "{1,NULL,3}",
                           "{\"a\": [1, null]}", "Grüße, 世界 🐘"};
    PGresult *result =
        PQexecParams(conn, "select $1::timestamptz, $2::numeric, $3::int[], $4::jsonb, $5::text", 5, NULL,
                     texts, NULL, NULL, 0);
    REQUIRE(PQntuples(result) == 1 && PQnfields(result) == 5);
    const char *expected[] = {"2024-02-29 12:34:56.789+00", texts[1], texts[2], texts[3], texts[4]};
    for (int i = 0; i < 5; i++) REQUIRE(strcmp(PQgetvalue(result, 0, i), expected[i]) == 0);
    PQclear(result);
    return NULL;
}

static const char *binary(PGconn *conn)
{
    int32_t number = (int32_t)htonl(77);
    const char bytes[] = {0, 1, 2, (char)255, 0};
    const char *values[] = {(char *)&number, bytes};
    const int lengths[] = {sizeof number, sizeof bytes}, formats[] = {1, 1};
    const Oid types[] = {23, 17};
    PGresult *result = PQexecParams(conn, "select $1 + 1, $2", 2, types, values, lengths, formats, 1);
    REQUIRE(PQntuples(result) == 1 && PQfformat(result, 0) == 1 && PQftype(result, 1) == 17);
    memcpy(&number, PQgetvalue(result, 0, 0), sizeof number);
    REQUIRE(ntohl((uint32_t)number) == 78);
    REQUIRE(PQgetlength(result, 0, 1) == sizeof bytes &&
            memcmp(PQgetvalue(result, 0, 1), bytes, sizeof bytes) == 0);
    PQclear(result);
    return NULL;
}

static const char *large(PGconn *conn)
{
    char *text = malloc(LARGE + 1);
    for (int i = 0; i < LARGE; i++) text[i] = (char)('a' + i % 26);
    text[LARGE] = '\0';
    for (int i = 0; i < 2; i++) {
        PGresult *result = with_text(conn, "select $1::text", text);
        REQUIRE(PQntuples(result) == 1 && strcmp(PQgetvalue(result, 0, 0), text) == 0);
        PQclear(result);
        const int length = LARGE, format = 1;
        const char *value = text;
        result = PQexecParams(conn, "select $1::bytea", 1, NULL, &value, &length, &format, 1);
        REQUIRE(PQgetlength(result, 0, 0) == LARGE && memcmp(PQgetvalue(result, 0, 0), text, LARGE) == 0);
        PQclear(result);
    }
    free(text);
    return NULL;
}

static const char *prepare_once(PGconn *conn)
{
    REQUIRE(
        is(PQprepare(conn, "item", "select name from libpq_items where id = $1", 1, NULL), PGRES_COMMAND_OK));
    for (int i = 1; i <= 50; i++) {
        char id[20], name[20];
        snprintf(id, sizeof id, "%d", i);
        snprintf(name, sizeof name, "item %d", i);
        REQUIRE(run(conn, "begin"));
        REQUIRE(is_value(prepared(conn, "item", id), name));
        REQUIRE(run(conn, i % 2 == 0 ? "commit" : "rollback"));
        REQUIRE(is_value(prepared(conn, "item", id), name));
    }
    return NULL;
}

static const char *describe(PGconn *conn)
{
    const Oid types[] = {20};
    REQUIRE(
        is(PQprepare(conn, "described", "select $1 as big, $2::text[] as list", 1, types), PGRES_COMMAND_OK));
    PGresult *result = PQdescribePrepared(conn, "described");
    REQUIRE(PQresultStatus(result) == PGRES_COMMAND_OK && PQnparams(result) == 2 && PQnfields(result) == 2);
    REQUIRE(PQparamtype(result, 0) == 20 && PQparamtype(result, 1) == 1009);
    REQUIRE(strcmp(PQfname(result, 0), "big") == 0 && PQftype(result, 1) == 1009);
    PQclear(result);
    REQUIRE(is_error(PQdescribePrepared(conn, "nothing"), "26000"));
    REQUIRE(run(conn, "begin"));
    REQUIRE(run(conn, "declare walk cursor for select 1 as one"));
    result = PQdescribePortal(conn, "walk");
    REQUIRE(PQnfields(result) == 1 && strcmp(PQfname(result, 0), "one") == 0);
    PQclear(result);
    REQUIRE(run(conn, "rollback"));
    return NULL;
}

static const char *deallocate(PGconn *conn)
{
    REQUIRE(is(PQprepare(conn, "gone", "select $1::int", 0, NULL), PGRES_COMMAND_OK));
    REQUIRE(is_value(prepared(conn, "gone", "1"), "1"));
    REQUIRE(run(conn, "deallocate gone"));
    REQUIRE(is_error(prepared(conn, "gone", "1"), "26000"));
    REQUIRE(is(PQprepare(conn, "gone", "select $1::int * 10", 0, NULL), PGRES_COMMAND_OK));
    REQUIRE(is_value(prepared(conn, "gone", "1"), "10"));
    REQUIRE(run(conn, "deallocate all"));
    REQUIRE(is_error(prepared(conn, "gone", "1"), "26000"));
#ifdef LIBPQ_HAS_CLOSE_PREPARED
    REQUIRE(is(PQprepare(conn, "gone", "select $1::int", 0, NULL), PGRES_COMMAND_OK));
    REQUIRE(is(PQclosePrepared(conn, "gone"), PGRES_COMMAND_OK));
    REQUIRE(is_error(prepared(conn, "gone", "1"), "26000"));
    REQUIRE(is(PQclosePrepared(conn, "gone"), PGRES_COMMAND_OK));
#endif
    return NULL;
}

static const char *errors(PGconn *conn)
{
    REQUIRE(is_error(PQexec(conn, "selct 1"), "42601"));
    REQUIRE(is_error(with_text(conn, "select 1 / $1::int", "0"), "22012"));
    REQUIRE(is_error(with_text(conn, "select $1::int", "no number"), "22P02"));
    REQUIRE(is_error(PQprepare(conn, "bad", "select nothing", 0, NULL), "42703"));
    REQUIRE(is_error(prepared(conn, "bad", "1"), "26000"));
    PGresult *result = with_text(conn, "insert into libpq_items values ($1, 'twice')", "1");
    REQUIRE(strcmp(PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME), "libpq_items_pkey") == 0);
    REQUIRE(is_error(result, "23505"));
    REQUIRE(gives(conn, "select 1", "1"));
    return NULL;
}

static const char *failed_transaction(PGconn *conn)
{
    REQUIRE(run(conn, "begin"));
    REQUIRE(run(conn, "insert into libpq_items values (-1, 'kept')"));
    REQUIRE(run(conn, "savepoint here"));
    REQUIRE(is_error(with_text(conn, "insert into libpq_items values ($1, 'twice')", "1"), "23505"));
    REQUIRE(PQtransactionStatus(conn) == PQTRANS_INERROR);
    REQUIRE(is_error(PQexec(conn, "select 1"), "25P02"));
    REQUIRE(run(conn, "rollback to here"));
    REQUIRE(PQtransactionStatus(conn) == PQTRANS_INTRANS);
    REQUIRE(run(conn, "commit"));
    REQUIRE(gives(conn, "select name from libpq_items where id = -1", "kept"));
    REQUIRE(run(conn, "begin"));
    REQUIRE(run(conn, "delete from libpq_items"));
    REQUIRE(is_error(PQexec(conn, "select 1 / 0"), "22012"));
    REQUIRE(run(conn, "commit")); /* which rolls back */
    REQUIRE(PQtransactionStatus(conn) == PQTRANS_IDLE);
    REQUIRE(run(conn, "delete from libpq_items where id = -1"));
    REQUIRE(gives(conn, "select count(*) from libpq_items", "1000"));
    return NULL;
}

static const char *several_statements(PGconn *conn)
{
    REQUIRE(PQsendQuery(
                conn, "select 1; update libpq_items set name = name where id < 3; select 1 / 0; select 4") ==
            1);
    REQUIRE(is_value(PQgetResult(conn), "1"));
    PGresult *result = PQgetResult(conn);
    REQUIRE(strcmp(PQcmdTuples(result), "2") == 0);
    PQclear(result);
    REQUIRE(is_error(PQgetResult(conn), "22012"));
    REQUIRE(is_end(conn));
    REQUIRE(is(PQexec(conn, ""), PGRES_EMPTY_QUERY));
    REQUIRE(is(PQexec(conn, ";"), PGRES_EMPTY_QUERY));
    return NULL;
}

static const char *single_row(PGconn *conn)
{
    REQUIRE(PQsendQueryParams(conn, "select i, 100 / (900 - i) from generate_series(1, 1000) i", 0, NULL,
                              NULL, NULL, NULL, 0) == 1);
    REQUIRE(PQsetSingleRowMode(conn) == 1);
    for (int i = 1; i < 900; i++) {
        PGresult *result = PQgetResult(conn);
        REQUIRE(PQresultStatus(result) == PGRES_SINGLE_TUPLE && atoi(PQgetvalue(result, 0, 0)) == i);
        PQclear(result);
    }
    REQUIRE(is_error(PQgetResult(conn), "22012"));
    REQUIRE(is_end(conn));
#ifdef LIBPQ_HAS_CHUNK_MODE
    REQUIRE(PQsendQuery(conn, "select generate_series(1, 25)") == 1);
    REQUIRE(PQsetChunkedRowsMode(conn, 10) == 1);
    const int sizes[] = {10, 10, 5};
    for (int i = 0; i < 3; i++) {
        PGresult *result = PQgetResult(conn);
        REQUIRE(PQresultStatus(result) == PGRES_TUPLES_CHUNK && PQntuples(result) == sizes[i]);
        PQclear(result);
    }
    REQUIRE(is(PQgetResult(conn), PGRES_TUPLES_OK));
    REQUIRE(is_end(conn));
#endif
    return NULL;
}

static const char *cursor(PGconn *conn)
{
    REQUIRE(run(conn, "begin"));
    REQUIRE(run(conn, "declare walk cursor for select id from libpq_items order by id"));
    int seen = 0;
    for (int rows = 1; rows > 0;) {
        PGresult *result = PQexec(conn, "fetch 300 from walk");
        rows = PQntuples(result);
        for (int i = 0; i < rows; i++) REQUIRE(atoi(PQgetvalue(result, i, 0)) == ++seen);
        PQclear(result);
    }
    REQUIRE(seen == 1000);
    REQUIRE(run(conn, "close walk") && run(conn, "commit"));
    return NULL;
}

static const char *pipeline(PGconn *conn)
{
    REQUIRE(PQenterPipelineMode(conn) == 1);
    for (int round = 0; round < 3; round++) {
        char name[20];
        snprintf(name, sizeof name, "piped %d", round);
        REQUIRE(PQsendPrepare(conn, name, "select $1::int * 2", 0, NULL) == 1);
        REQUIRE(PQsendDescribePrepared(conn, name) == 1);
        for (int i = 0; i < 100; i++) {
            char text[20];
            const char *value = text;
            snprintf(text, sizeof text, "%d", i);
            REQUIRE(PQsendQueryPrepared(conn, name, 1, &value, NULL, NULL, 0) == 1);
        }
        REQUIRE(PQpipelineSync(conn) == 1);
    }
    for (int round = 0; round < 3; round++) {
        REQUIRE(is(PQgetResult(conn), PGRES_COMMAND_OK) && is_end(conn));
        PGresult *described = PQgetResult(conn);
        REQUIRE(PQnparams(described) == 1 && PQparamtype(described, 0) == 23);
        PQclear(described);
        REQUIRE(is_end(conn));
        for (int i = 0; i < 100; i++) {
            char twice[20];
            snprintf(twice, sizeof twice, "%d", 2 * i);
            REQUIRE(is_value(PQgetResult(conn), twice) && is_end(conn));
        }
        REQUIRE(is(PQgetResult(conn), PGRES_PIPELINE_SYNC));
    }
    REQUIRE(PQexitPipelineMode(conn) == 1);
    return NULL;
}

static bool send_query(PGconn *conn, const char *sql)
{
    return PQsendQueryParams(conn, sql, 0, NULL, NULL, NULL, NULL, 0) == 1;
}

static const char *pipeline_errors(PGconn *conn)
{
    for (int round = 0; round < 3; round++) {
        REQUIRE(PQenterPipelineMode(conn) == 1);
        REQUIRE(send_query(conn, "insert into libpq_items values (-5, 'undone')"));
        REQUIRE(send_query(conn, "select 1 / 0"));
        REQUIRE(send_query(conn, "select 'skipped'"));
        REQUIRE(PQsendPrepare(conn, "skipped", "select 1", 0, NULL) == 1);
        REQUIRE(PQpipelineSync(conn) == 1);
        REQUIRE(send_query(conn, "select count(*) from libpq_items where id = -5"));
        REQUIRE(PQsendQueryPrepared(conn, "skipped", 0, NULL, NULL, NULL, 0) == 1);
        REQUIRE(PQpipelineSync(conn) == 1);
        REQUIRE(is(PQgetResult(conn), PGRES_COMMAND_OK) && is_end(conn));
        REQUIRE(is_error(PQgetResult(conn), "22012") && is_end(conn));
        REQUIRE(PQpipelineStatus(conn) == PQ_PIPELINE_ABORTED);
        REQUIRE(is(PQgetResult(conn), PGRES_PIPELINE_ABORTED) && is_end(conn));
        REQUIRE(is(PQgetResult(conn), PGRES_PIPELINE_ABORTED) && is_end(conn));
        REQUIRE(is(PQgetResult(conn), PGRES_PIPELINE_SYNC));
        REQUIRE(is_value(PQgetResult(conn), "0") && is_end(conn));
        REQUIRE(is_error(PQgetResult(conn), "26000") && is_end(conn));
        REQUIRE(is(PQgetResult(conn), PGRES_PIPELINE_SYNC));
        REQUIRE(PQexitPipelineMode(conn) == 1);
    }
    return NULL;
}

static const char *flush_request(PGconn *conn)
{
    REQUIRE(PQenterPipelineMode(conn) == 1);
    for (int i = 0; i < 10; i++) {
        REQUIRE(send_query(conn, "select 7"));
        REQUIRE(PQsendFlushRequest(conn) == 1 && PQflush(conn) == 0);
        REQUIRE(is_value(PQgetResult(conn), "7") && is_end(conn));
    }
    REQUIRE(send_query(conn, "select 1 / 0") && send_query(conn, "select 8"));
    REQUIRE(PQsendFlushRequest(conn) == 1 && PQflush(conn) == 0);
    REQUIRE(is_error(PQgetResult(conn), "22012") && is_end(conn));
    REQUIRE(is(PQgetResult(conn), PGRES_PIPELINE_ABORTED) && is_end(conn));
    REQUIRE(PQpipelineSync(conn) == 1);
    REQUIRE(is(PQgetResult(conn), PGRES_PIPELINE_SYNC));
    REQUIRE(PQexitPipelineMode(conn) == 1);
    REQUIRE(gives(conn, "select 9", "9"));
    return NULL;
}

static const char *pipeline_transactions(PGconn *conn)
{
    REQUIRE(PQenterPipelineMode(conn) == 1);
    REQUIRE(send_query(conn, "begin") && send_query(conn, "insert into libpq_items values (-6, 'piped')"));
    REQUIRE(PQpipelineSync(conn) == 1);
    REQUIRE(send_query(conn, "select name from libpq_items where id = -6") && PQpipelineSync(conn) == 1);
    REQUIRE(send_query(conn, "rollback") &&
            send_query(conn, "select count(*) from libpq_items where id = -6"));
    REQUIRE(PQpipelineSync(conn) == 1);
    REQUIRE(is(PQgetResult(conn), PGRES_COMMAND_OK) && is_end(conn));
    REQUIRE(is(PQgetResult(conn), PGRES_COMMAND_OK) && is_end(conn));
    REQUIRE(is(PQgetResult(conn), PGRES_PIPELINE_SYNC));
    REQUIRE(is_value(PQgetResult(conn), "piped") && is_end(conn));
    REQUIRE(is(PQgetResult(conn), PGRES_PIPELINE_SYNC));
    REQUIRE(is(PQgetResult(conn), PGRES_COMMAND_OK) && is_end(conn));
    REQUIRE(is_value(PQgetResult(conn), "0") && is_end(conn));
    REQUIRE(is(PQgetResult(conn), PGRES_PIPELINE_SYNC));
    REQUIRE(PQexitPipelineMode(conn) == 1);
    return NULL;
}

static bool wait_for(PGconn *conn, short events)
{
    struct pollfd socket = {.fd = PQsocket(conn), .events = events};
    return poll(&socket, 1, 10000) == 1;
}

/* Sends and receives as it can, so that neither side ever waits for the other. */
static const char *nonblocking(PGconn *conn)
{
    enum { QUERIES = 3000, PADDING = 2000 };
    char *padding = malloc(PADDING + 1);
    memset(padding, 'p', PADDING);
    padding[PADDING] = '\0';
    REQUIRE(PQsetnonblocking(conn, 1) == 0 && PQisnonblocking(conn));
    REQUIRE(PQenterPipelineMode(conn) == 1);
    int sent = 0, heard = 0;
    bool synced = false, flushed = false;
    while (heard < QUERIES) {
        for (int i = 0; i < 50 && sent < QUERIES; i++, sent++) {
            char text[20];
            const char *values[] = {text, padding};
            snprintf(text, sizeof text, "%d", sent);
            REQUIRE(PQsendQueryParams(conn, "select $1::int, $2::text", 2, NULL, values, NULL, NULL, 0) == 1);
        }
        if (sent == QUERIES && !synced) {
            REQUIRE(PQpipelineSync(conn) == 1);
            synced = true;
        }
        int left = PQflush(conn);
        REQUIRE(left >= 0);
        flushed = synced && left == 0;
        if (flushed || left == 1) REQUIRE(wait_for(conn, left == 1 ? POLLIN | POLLOUT : POLLIN));
        REQUIRE(PQconsumeInput(conn) == 1);
        while (heard < QUERIES && !PQisBusy(conn)) {
            PGresult *result = PQgetResult(conn);
            if (result == NULL) continue;
            if (PQresultStatus(result) != PGRES_TUPLES_OK) break;
            REQUIRE(atoi(PQgetvalue(result, 0, 0)) == heard && PQgetlength(result, 0, 1) == PADDING);
            PQclear(result);
            heard++;
            if (heard == sent) break;
        }
    }
    free(padding);
    REQUIRE(PQsetnonblocking(conn, 0) == 0);
    REQUIRE(is_end(conn));
    REQUIRE(is(PQgetResult(conn), PGRES_PIPELINE_SYNC));
    REQUIRE(PQexitPipelineMode(conn) == 1);
    return NULL;
}

static const char *copy_in(PGconn *conn)
{
    REQUIRE(run(conn, "create table libpq_copied (id int, name text)"));
    REQUIRE(is(PQexec(conn, "copy libpq_copied from stdin"), PGRES_COPY_IN));
    for (int i = 0; i < 20000; i++) {
        char line[60];
        int length = snprintf(line, sizeof line, "%d\tname %d\n", i, i);
        REQUIRE(PQputCopyData(conn, line, length) == 1);
    }
    REQUIRE(PQputCopyEnd(conn, NULL) == 1);
    PGresult *result = PQgetResult(conn);
    REQUIRE(strcmp(PQcmdTuples(result), "20000") == 0);
    PQclear(result);
    REQUIRE(is_end(conn));
    REQUIRE(gives(conn, "select count(*) || ' ' || sum(id) || ' ' || max(name) from libpq_copied",
                  "20000 199990000 name 9999"));
    return NULL;
}

static const char *copy_out(PGconn *conn)
{
    REQUIRE(
        is(PQexec(conn, "copy (select id, name from libpq_copied order by id) to stdout"), PGRES_COPY_OUT));
    char *line;
    int rows = 0;
    while (PQgetCopyData(conn, &line, 0) > 0) {
        char expected[60];
        snprintf(expected, sizeof expected, "%d\tname %d\n", rows, rows);
        REQUIRE(strcmp(line, expected) == 0);
        PQfreemem(line);
        rows++;
    }
    REQUIRE(is(PQgetResult(conn), PGRES_COMMAND_OK) && is_end(conn));
    REQUIRE(rows == 20000);
    return NULL;
}

static const char *copy_aborted(PGconn *conn)
{
    REQUIRE(is(PQexec(conn, "copy libpq_copied from stdin"), PGRES_COPY_IN));
    REQUIRE(PQputCopyData(conn, "1\tundone\n", 9) == 1);
    REQUIRE(PQputCopyEnd(conn, "given up") == 1);
    PGresult *result = PQgetResult(conn);
    REQUIRE(strstr(PQresultErrorMessage(result), "given up") != NULL);
    REQUIRE(is_error(result, "57014") && is_end(conn));

    REQUIRE(run(conn, "begin"));
    REQUIRE(is(PQexec(conn, "copy libpq_copied from stdin"), PGRES_COPY_IN));
    REQUIRE(PQputCopyData(conn, "no number\tx\n", 12) == 1);
    for (int i = 0; i < 1000; i++) REQUIRE(PQputCopyData(conn, "1\tundone\n", 9) == 1);
    REQUIRE(PQputCopyEnd(conn, NULL) == 1);
    REQUIRE(is_error(PQgetResult(conn), "22P02") && is_end(conn));
    REQUIRE(PQtransactionStatus(conn) == PQTRANS_INERROR && run(conn, "rollback"));

    REQUIRE(is(PQexec(conn, "copy (select 1 / (500 - i) from generate_series(1, 1000) i) to stdout"),
               PGRES_COPY_OUT));
    char *line;
    while (PQgetCopyData(conn, &line, 0) > 0) PQfreemem(line);
    REQUIRE(is_error(PQgetResult(conn), "22012") && is_end(conn));
    REQUIRE(gives(conn, "select count(*) from libpq_copied", "20000"));
    return NULL;
}

static const char *copy_with_parameters_protocol(PGconn *conn)
{
    REQUIRE(run(conn, "truncate libpq_copied"));
    REQUIRE(
        is(PQexecParams(conn, "copy libpq_copied from stdin", 0, NULL, NULL, NULL, NULL, 0), PGRES_COPY_IN));
    REQUIRE(PQputCopyData(conn, "5\tfive\n", 7) == 1 && PQputCopyEnd(conn, NULL) == 1);
    REQUIRE(is(PQgetResult(conn), PGRES_COMMAND_OK) && is_end(conn));
    REQUIRE(
        is(PQexecParams(conn, "copy libpq_copied to stdout", 0, NULL, NULL, NULL, NULL, 0), PGRES_COPY_OUT));
    char *line;
    REQUIRE(PQgetCopyData(conn, &line, 0) == 7 && strcmp(line, "5\tfive\n") == 0);
    PQfreemem(line);
    REQUIRE(PQgetCopyData(conn, &line, 0) == -1);
    REQUIRE(is(PQgetResult(conn), PGRES_COMMAND_OK) && is_end(conn));
    REQUIRE(run(conn, "drop table libpq_copied"));
    return NULL;
}

static const char *fast_path(PGconn *conn)
{
    enum { INT4PL = 177 };
    PQArgBlock arguments[] = {{.isint = 1, .len = 4, .u.integer = 40},
                              {.isint = 1, .len = 4, .u.integer = 2}};
    for (int i = 0; i < 3; i++) {
        int answer = 0, length = 0;
        REQUIRE(is(PQfn(conn, INT4PL, &answer, &length, 1, arguments, 2), PGRES_COMMAND_OK));
        REQUIRE(answer == 42 && length == 4);
        REQUIRE(is_error(PQfn(conn, 1, &answer, &length, 1, arguments, 2), "42883"));
    }
    return NULL;
}

static const char *large_object(PGconn *conn)
{
    enum { SIZE = 300000 };
    char *data = malloc(SIZE), *read = malloc(SIZE);
    for (int i = 0; i < SIZE; i++) data[i] = (char)(i * 7);
    REQUIRE(run(conn, "begin"));
    Oid id = lo_creat(conn, INV_READ | INV_WRITE);
    REQUIRE(id != InvalidOid);
    int file = lo_open(conn, id, INV_WRITE);
    REQUIRE(file >= 0);
    for (int at = 0; at < SIZE; at += 50000) REQUIRE(lo_write(conn, file, data + at, 50000) == 50000);
    REQUIRE(lo_close(conn, file) == 0);
    REQUIRE(run(conn, "commit") && run(conn, "begin"));
    file = lo_open(conn, id, INV_READ);
    REQUIRE(lo_lseek64(conn, file, 0, SEEK_END) == SIZE && lo_lseek(conn, file, 0, SEEK_SET) == 0);
    REQUIRE(lo_read(conn, file, read, SIZE) == SIZE && memcmp(data, read, SIZE) == 0);
    REQUIRE(lo_close(conn, file) == 0);
    REQUIRE(lo_open(conn, InvalidOid, INV_READ) == -1);
    REQUIRE(run(conn, "rollback"));
    REQUIRE(lo_unlink(conn, id) == 1);
    free(data);
    free(read);
    return NULL;
}

static void collect_notice(void *collected, const char *message) { strncat(collected, message, 900); }

static const char *notices(PGconn *conn)
{
    char collected[1000] = "";
    PQsetNoticeProcessor(conn, collect_notice, collected);
    REQUIRE(run(conn, "do $$begin for i in 1..3 loop raise notice 'notice %', i; end loop; end$$"));
    REQUIRE(strcmp(collected, "NOTICE:  notice 1\nNOTICE:  notice 2\nNOTICE:  notice 3\n") == 0);
    collected[0] = '\0';
    REQUIRE(run(conn, "commit"));
    REQUIRE(strcmp(collected, "WARNING:  there is no transaction in progress\n") == 0);
    return NULL;
}

static const char *cancel(PGconn *conn)
{
    PGcancel *handle = PQgetCancel(conn);
    char reason[256];
    for (int i = 0; i < 3; i++) {
        /* The lock shows that the query runs; a cancel that came earlier would cancel nothing. */
        PGconn *watcher = PQconnectdb("");
        REQUIRE(run(conn, "begin"));
        REQUIRE(gives(conn, "select pg_advisory_xact_lock(4711)::text", ""));
        REQUIRE(PQsendQuery(conn, "lock libpq_items; select pg_sleep(30)") == 1);
        while (gives(watcher,
                     "select count(*) from pg_locks where relation = 'libpq_items'::regclass and granted "
                     "and mode = 'AccessExclusiveLock'",
                     "0"))
            ;
        REQUIRE(PQcancel(handle, reason, sizeof reason) == 1);
        REQUIRE(is(PQgetResult(conn), PGRES_COMMAND_OK));
        REQUIRE(is_error(PQgetResult(conn), "57014") && is_end(conn));
        REQUIRE(PQtransactionStatus(conn) == PQTRANS_INERROR && run(conn, "rollback"));
        PQfinish(watcher);
    }
    REQUIRE(PQcancel(handle, reason, sizeof reason) == 1); /* nothing runs */
    for (int i = 0; i < 20; i++) REQUIRE(gives(conn, "select 1", "1"));
    PQfreeCancel(handle);
    return NULL;
}

static const char *statement_timeout(PGconn *conn)
{
    REQUIRE(run(conn, "begin") && run(conn, "set local statement_timeout = 50"));
    REQUIRE(is_error(PQexec(conn, "select pg_sleep(30)"), "57014"));
    REQUIRE(run(conn, "rollback"));
    REQUIRE(gives(conn, "show statement_timeout", "0"));
    return NULL;
}

/* SET SESSION lasts for a transaction at most: the server is cleaned for the next. */
static const char *settings(PGconn *conn)
{
    REQUIRE(run(conn, "set work_mem = '7MB'"));
    for (int i = 0; i < 10; i++) REQUIRE(gives(conn, "select current_setting('work_mem') = '7MB'", "f"));
    REQUIRE(strcmp(PQparameterStatus(conn, "client_encoding"), "UTF8") == 0);
    REQUIRE(PQserverVersion(conn) >= 140000 && PQprotocolVersion(conn) == 3);
    return NULL;
}

static const char *reset(PGconn *conn)
{
    REQUIRE(is(PQprepare(conn, "before", "select 1", 0, NULL), PGRES_COMMAND_OK));
    PQreset(conn);
    REQUIRE(PQstatus(conn) == CONNECTION_OK);
    REQUIRE(is_error(PQexecPrepared(conn, "before", 0, NULL, NULL, NULL, 0), "26000"));
    REQUIRE(gives(conn, "select 1", "1"));
    PGconn *refused = PQconnectdb("dbname=nothing_of_that_name");
    bool is_refused =
        PQstatus(refused) == CONNECTION_BAD && strstr(PQerrorMessage(refused), "nothing_of_that_name");
    PQfinish(refused);
    REQUIRE(is_refused);
    return NULL;
}

/* The query is carried out though nobody waits for its answer. It comes together with the Terminate behind
 * it. */
static const char *finish_without_waiting(PGconn *conn)
{
    REQUIRE(run(conn, "create table libpq_left (id int)"));
    for (int i = 0; i < 8; i++) {
        PGconn *leaving = PQconnectdb("");
        char sql[100];
        const int cork = 1;
        REQUIRE(setsockopt(PQsocket(leaving), IPPROTO_TCP, TCP_CORK, &cork, sizeof cork) == 0);
        snprintf(sql, sizeof sql, "insert into libpq_left values (%d)", i);
        REQUIRE(PQstatus(leaving) == CONNECTION_OK && PQsendQuery(leaving, sql) == 1);
        PQfinish(leaving);
    }
    for (int left = 0; left < 8;) {
        PGresult *result = PQexec(conn, "select count(*) from libpq_left");
        REQUIRE(PQresultStatus(result) == PGRES_TUPLES_OK);
        left = atoi(PQgetvalue(result, 0, 0));
        PQclear(result);
    }
    return NULL;
}

static const char *crowd_member(PGconn *conn, int number)
{
    char text[100];
    snprintf(text, sizeof text, "select $1::int * %d + %d", number, number);
    REQUIRE(is(PQprepare(conn, "mine", text, 0, NULL), PGRES_COMMAND_OK));
    REQUIRE(is(PQprepare(conn, "shared", "select $1::text || '!'", 0, NULL), PGRES_COMMAND_OK));
    for (int i = 0; i < 40; i++) {
        char value[20], answer[30];
        bool is_transaction = i % 4 == 0;
        snprintf(value, sizeof value, "%d", i);
        if (is_transaction) REQUIRE(run(conn, "begin"));
        snprintf(answer, sizeof answer, "%d", i * number + number);
        REQUIRE(is_value(prepared(conn, "mine", value), answer));
        snprintf(value, sizeof value, "%d.%d", number, i);
        snprintf(answer, sizeof answer, "%s!", value);
        REQUIRE(is_value(prepared(conn, "shared", value), answer));
        if (i % 8 == 0) REQUIRE(is_error(with_text(conn, "select 1 / $1::int", "0"), "22012"));
        if (is_transaction) REQUIRE(run(conn, "rollback"));
    }
    return NULL;
}

struct member {
    pthread_t thread;
    int number;
    char reason[1000];
};

static void *crowd_thread(void *argument)
{
    struct member *member = argument;
    PGconn *conn = PQconnectdb("");
    const char *reason = crowd_member(conn, member->number);
    if (reason != NULL) snprintf(member->reason, sizeof member->reason, "%s", reason);
    PQfinish(conn);
    return NULL;
}

static const char *crowd(PGconn *conn)
{
    (void)conn;
    struct member members[CLIENTS] = {0};
    for (int i = 0; i < CLIENTS; i++) {
        members[i].number = i;
        pthread_create(&members[i].thread, NULL, crowd_thread, &members[i]);
    }
    const char *reason = NULL;
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(members[i].thread, NULL);
        if (members[i].reason[0] != '\0') reason = fail("client %d: %s", i, members[i].reason);
    }
    return reason;
}

static const struct {
    const char *what;
    const char *(*check)(PGconn *conn);
} checks[] = {
    {"parameters of many types, null among them", parameters},
    {"parameters and results in binary format", binary},
    {"values of 5 MB both ways", large},
    {"a statement is prepared once and used in many transactions", prepare_once},
    {"prepared statements and portals are described", describe},
    {"deallocated statements are gone, and their names free", deallocate},
    {"errors are what PostgreSQL says, and the connection goes on", errors},
    {"a failed transaction, savepoints and rollback", failed_transaction},
    {"several statements in one query", several_statements},
    {"single-row mode, with an error at the end", single_row},
    {"a cursor is fetched in parts", cursor},
    {"pipeline mode: prepare, describe and hundreds of uses", pipeline},
    {"pipeline mode: an error skips to the sync, and no further", pipeline_errors},
    {"pipeline mode: results come when a flush is requested", flush_request},
    {"pipeline mode: a transaction over several syncs", pipeline_transactions},
    {"a non-blocking connection sends and receives at the same time", nonblocking},
    {"COPY in", copy_in},
    {"COPY out", copy_out},
    {"COPY that fails or is given up", copy_aborted},
    {"COPY in the extended protocol", copy_with_parameters_protocol},
    {"function calls", fast_path},
    {"large objects", large_object},
    {"notices come in their order", notices},
    {"a running query is cancelled, and the connection goes on", cancel},
    {"a query runs into its timeout", statement_timeout},
    {"settings end with the transaction", settings},
    {"a connection is reset; another database is refused", reset},
    {"more clients than servers, each with its own answers", crowd},
    {"a client that does not wait for its answer", finish_without_waiting},
};

static void ignore_notice(void *nothing, const char *message)
{
    (void)nothing;
    (void)message;
}

static const char *prepare_tables(PGconn *conn)
{
    REQUIRE(PQstatus(conn) == CONNECTION_OK);
    PQsetNoticeProcessor(conn, ignore_notice, NULL);
    REQUIRE(run(conn, "drop table if exists libpq_items, libpq_copied, libpq_left"));
    REQUIRE(run(conn, "create table libpq_items (id int primary key, name text)"));
    REQUIRE(run(conn, "insert into libpq_items select i, 'item ' || i from generate_series(1, 1000) i"));
    return NULL;
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    int version = PQlibVersion();
    printf("driver libpq %d.%d\n", version / 10000, version % 10000);
    PGconn *first = PQconnectdb("");
    const char *problem = prepare_tables(first);
    PQfinish(first);
    if (problem != NULL) {
        printf("not ok the tables are made: %s\n", problem);
        return 1;
    }
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        PGconn *conn = PQconnectdb("");
        const char *reason = PQstatus(conn) == CONNECTION_OK ? checks[i].check(conn) : PQerrorMessage(conn);
        if (reason == NULL)
            printf("ok %s\n", checks[i].what);
        else
            printf("not ok %s: %s\n", checks[i].what, reason);
        PQfinish(conn);
    }
    return 0;
}

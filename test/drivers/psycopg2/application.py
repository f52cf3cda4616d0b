"""What an application does with psycopg2 (libpq's simple protocol), through the pooler."""

import concurrent.futures
import contextlib
import datetime
import decimal
import io
import select
import uuid

import psycopg2
import psycopg2.errors
import psycopg2.extensions
import psycopg2.extras
import psycopg2.pool
from checks import check, equal, in_threads, raises, run_checks

print("driver psycopg2", psycopg2.__version__.split()[0])


class Session:
    """A connection that is closed at the end of the block whatever happened in it."""

    def __init__(self, autocommit=False, **options):
        self.connection = psycopg2.connect("", **options)
        if autocommit:
            self.connection.autocommit = True

    def __enter__(self):
        return self.connection

    def __exit__(self, *_):
        self.connection.close()


def rows(connection, statement, arguments=None):
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        return cursor.fetchall()


def value(connection, statement, arguments=None):
    return rows(connection, statement, arguments)[0][0]


def run(connection, statement, arguments=None):
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)


with Session(autocommit=True) as setup:
    run(setup, "drop table if exists psycopg2_items")
    run(setup, "create table psycopg2_items (id int primary key, name text, counter int not null default 0)")
    run(setup, "insert into psycopg2_items select n, 'item ' || n from generate_series(0, 999) n")


@check("a transaction is committed, and another connection sees it")
def committed():
    with Session() as one, Session() as other:
        run(one, "update psycopg2_items set name = 'committed' where id = 1")
        equal(value(other, "select name from psycopg2_items where id = 1"), "item 1")
        one.commit()
        equal(value(other, "select name from psycopg2_items where id = 1"), "committed")


@check("a rollback takes back what was done")
def rolled_back():
    with Session() as connection:
        run(connection, "delete from psycopg2_items")
        equal(value(connection, "select count(*) from psycopg2_items"), 0)
        connection.rollback()
        equal(value(connection, "select count(*) from psycopg2_items"), 1000)


@check("the driver knows the state of its transaction")
def transaction_status():
    states = psycopg2.extensions
    with Session() as connection:
        equal(connection.get_transaction_status(), states.TRANSACTION_STATUS_IDLE)
        run(connection, "select 1")
        equal(connection.get_transaction_status(), states.TRANSACTION_STATUS_INTRANS)
        with raises(psycopg2.errors.DivisionByZero):
            run(connection, "select 1 / 0")
        equal(connection.get_transaction_status(), states.TRANSACTION_STATUS_INERROR)
        connection.rollback()
        equal(connection.get_transaction_status(), states.TRANSACTION_STATUS_IDLE)


@check("after an error a transaction takes nothing more until its rollback")
def failed_transaction():
    with Session() as connection:
        with raises(psycopg2.errors.UndefinedTable):
            run(connection, "select * from psycopg2_missing")
        with raises(psycopg2.errors.InFailedSqlTransaction):
            run(connection, "select 1")
        connection.rollback()
        equal(value(connection, "select 1"), 1)


@check("a unique violation says which constraint, and a savepoint saves the rest")
def savepoint():
    with Session() as connection:
        run(connection, "insert into psycopg2_items values (5000, 'kept')")
        run(connection, "savepoint before")
        try:
            run(connection, "insert into psycopg2_items values (5000, 'twice')")
            raise AssertionError("no error")
        except psycopg2.errors.UniqueViolation as error:
            equal(error.diag.constraint_name, "psycopg2_items_pkey")
            equal(error.pgcode, "23505")
        run(connection, "rollback to savepoint before")
        equal(value(connection, "select name from psycopg2_items where id = 5000"), "kept")
        run(connection, "delete from psycopg2_items where id = 5000")
        connection.commit()


@check("wrong SQL is an error that points at its place, and the connection stays")
def wrong_sql():
    with Session(autocommit=True) as connection:
        try:
            run(connection, "select 1 frmo nothing")
            raise AssertionError("no error")
        except psycopg2.errors.SyntaxError as error:
            equal(error.diag.statement_position, "15")
        equal(value(connection, "select 2"), 2)


@check("isolation level and read-only hold for the transactions of their own connection")
def isolation():
    with Session() as strict, Session() as plain:
        strict.set_session(isolation_level="SERIALIZABLE", readonly=True, deferrable=True)
        for _ in range(3):
            equal(value(strict, "show transaction_isolation"), "serializable")
            with raises(psycopg2.errors.ReadOnlySqlTransaction):
                run(strict, "delete from psycopg2_items")
            strict.rollback()
            equal(value(plain, "show transaction_isolation"), "read committed")
            equal(value(plain, "show transaction_read_only"), "off")
            plain.rollback()


@check("values of many types come back as they were sent")
def types():
    now = datetime.datetime.now(datetime.timezone.utc)
    psycopg2.extras.register_uuid()
    values = {
        "int8": 2**63 - 1,
        "numeric": decimal.Decimal("-12345678901234567890.0123456789"),
        "float8": 0.1,
        "bool": True,
        "text": "žluťoučký \N{PILE OF POO} \\ ' \" \t\n",
        "timestamptz": now,
        "timestamp": datetime.datetime(1999, 12, 31, 23, 59, 59, 999999),
        "date": datetime.date(2000, 2, 29),
        "interval": datetime.timedelta(days=-3, seconds=7, microseconds=11),
        "uuid": uuid.UUID(int=2**100 + 1),
        "int[]": [1, None, 3],
        "text[]": ["a,b", '"', "", None, "{}"],
    }
    with Session() as connection:
        for name, sent in values.items():
            equal((name, value(connection, f"select %s::{name}", (sent,))), (name, sent))
            equal((name, value(connection, f"select %s::{name}", (None,))), (name, None))
        sent = {"a": [1, None, {"ü": "\u2028"}]}
        equal(value(connection, "select %s::jsonb", (psycopg2.extras.Json(sent),)), sent)


@check("5 MB of text and of bytes come back whole")
def big_values():
    text = "čtyři " * 800_000
    data = bytes(range(256)) * 20_000
    with Session() as connection:
        for _ in range(2):
            equal(value(connection, "select %s::text", (text,)), text)
            equal(bytes(value(connection, "select %s::bytea", (data,))), data)
            connection.commit()


@check("a hundred thousand rows come in order")
def many_rows():
    with Session() as connection:
        got = rows(connection, "select n, 'row ' || n from generate_series(1, 100000) n")
        equal(got, [(n, f"row {n}") for n in range(1, 100_001)])


@check("executemany, execute_batch and execute_values write all of their rows")
def many_statements():
    ids = range(2000, 2300)
    with Session() as connection, connection.cursor() as cursor:
        for write in (
            lambda: cursor.executemany("insert into psycopg2_items values (%s, %s)", [(n, "m") for n in ids]),
            lambda: psycopg2.extras.execute_batch(
                cursor, "insert into psycopg2_items values (%s, %s)", [(n, "b") for n in ids]
            ),
            lambda: psycopg2.extras.execute_values(
                cursor, "insert into psycopg2_items (id, name) values %s", [(n, "v") for n in ids]
            ),
        ):
            write()
            connection.commit()
            equal(value(connection, "select count(*) from psycopg2_items where id >= 2000"), len(ids))
            cursor.execute("delete from psycopg2_items where id >= 2000")
            equal(cursor.rowcount, len(ids))
            connection.commit()


@check("several statements in one query give the result of the last, and one error undoes them all")
def several_statements():
    with Session(autocommit=True) as connection:
        equal(value(connection, "select 1; select 2; select 3"), 3)
        with raises(psycopg2.errors.DivisionByZero):
            run(connection, "delete from psycopg2_items; select 1 / 0; select 3")
        equal(value(connection, "select count(*) from psycopg2_items"), 1000)


@check("an empty query is answered, and the connection stays")
def empty_query():
    with Session(autocommit=True) as connection:
        for statement in (" ", ";", "-- nothing"):
            with raises(psycopg2.ProgrammingError) as caught:
                run(connection, statement)
            equal(caught.text, "can't execute an empty query")
            equal(value(connection, "select 1"), 1)


@check("a named cursor walks through its transaction, back and forth")
def named_cursor():
    with Session() as connection:
        with connection.cursor("walk", scrollable=True) as cursor:
            cursor.itersize = 64
            cursor.execute("select id from psycopg2_items order by id")
            equal([row[0] for row in cursor], list(range(1000)))
            cursor.scroll(10, mode="absolute")
            equal(cursor.fetchone(), (10,))
            cursor.scroll(-2)
            equal(cursor.fetchmany(2), [(9,), (10,)])
        connection.commit()
        with raises(psycopg2.errors.InvalidCursorName):
            run(connection, "fetch from walk")


@check("sixteen connections walk cursors of the same name, each over its own rows")
def same_cursor_names():
    def walk(number):
        with Session() as connection, connection.cursor("walk") as cursor:
            cursor.itersize = 25
            cursor.execute("select n + %s from generate_series(0, 199) n", (number * 1000,))
            equal([row[0] for row in cursor], [number * 1000 + n for n in range(200)])

    in_threads(16, walk)


@check("COPY in and out keep every row")
def copy():
    lines = "".join(f"{n}\tcopied {n}\t{n % 7}\n" for n in range(10_000, 30_000))
    with Session() as connection, connection.cursor() as cursor:
        cursor.copy_expert("copy psycopg2_items from stdin", io.StringIO(lines))
        equal(cursor.rowcount, 20_000)
        connection.commit()
        out = io.StringIO()
        cursor.copy_expert("copy (select * from psycopg2_items where id >= 10000 order by id) to stdout", out)
        equal(out.getvalue(), lines)
        cursor.execute("delete from psycopg2_items where id >= 10000")
        connection.commit()


@check("COPY of a wrong line is an error, and nothing of it stays")
def wrong_copy():
    lines = "".join(f"{n}\tcopied\t0\n" for n in range(10_000, 11_000)) + "not a number\tx\t0\n" * 100_000
    with Session() as connection, connection.cursor() as cursor:
        with raises(psycopg2.errors.InvalidTextRepresentation):
            cursor.copy_expert("copy psycopg2_items from stdin", io.StringIO(lines))
        connection.rollback()
        equal(value(connection, "select count(*) from psycopg2_items where id >= 10000"), 0)


@check("a COPY whose source breaks off is an error, and the connection stays")
def broken_copy():
    class Broken(io.StringIO):
        def read(self, *_):
            raise OSError("the disk is gone")

    with Session() as connection, connection.cursor() as cursor:
        with raises(psycopg2.errors.QueryCanceled) as caught:
            cursor.copy_expert("copy psycopg2_items from stdin", Broken())
        equal("the disk is gone" in caught.text, True)
        connection.rollback()
        equal(value(connection, "select count(*) from psycopg2_items"), 1000)


@check("a large object is written and read (function calls of the protocol)")
def large_object():
    data = bytes(range(256)) * 8_000
    with Session() as connection:
        written = connection.lobject(0, "wb")
        written.write(data)
        written.close()
        connection.commit()
        read = connection.lobject(written.oid, "rb")
        equal(read.seek(100), 100)
        equal(read.read(1000), data[100:1100])
        read.seek(0)
        equal(read.read(), data)
        read.unlink()
        connection.commit()
        with raises(psycopg2.OperationalError):
            connection.lobject(written.oid, "rb")


@check("sixteen clients on four servers get their own answers")
def many_clients():
    def work(number):
        with Session() as connection:
            for step in range(40):
                sent = number * 1000 + step
                equal(
                    rows(connection, "select %s, repeat(%s, 50)", (sent, str(number))),
                    [(sent, str(number) * 50)],
                )
                connection.commit()

    in_threads(16, work)


@check("sixteen clients count up in one row, and no count is lost")
def counter():
    def work(_):
        with Session() as connection:
            for _ in range(20):
                run(connection, "update psycopg2_items set counter = counter + 1 where id = 7")
                connection.commit()

    in_threads(16, work)
    with Session() as connection:
        equal(value(connection, "select counter from psycopg2_items where id = 7"), 16 * 20)


@check("a transaction keeps its server, and with it what is local to the transaction")
def local_state():
    def work(number):
        with Session() as connection:
            for _ in range(5):
                run(connection, "set local application_name = 'client %s'", (number,))
                run(connection, "create temporary table psycopg2_mine (n int) on commit drop")
                run(connection, "insert into psycopg2_mine values (%s)", (number,))
                run(connection, "prepare mine (int) as select $1 + n from psycopg2_mine")
                equal(value(connection, "execute mine (100)"), number + 100)
                equal(value(connection, "show application_name"), f"client {number}")
                run(connection, "deallocate mine")
                connection.commit()

    in_threads(8, work)


@check("a cancel ends the running query, and the connection stays usable")
def cancel():
    def cancel_running(connection):
        with Session(autocommit=True) as observer:
            while value(observer, "select count(*) from pg_stat_activity where wait_event = 'PgSleep'") == 0:
                pass
        connection.cancel()

    with Session() as connection:
        for _ in range(3):
            canceller = concurrent.futures.ThreadPoolExecutor().submit(cancel_running, connection)
            with raises(psycopg2.errors.QueryCanceled):
                run(connection, "select pg_sleep(15)")
            canceller.result()
            connection.rollback()
            equal(value(connection, "select 'still here'"), "still here")
            connection.commit()


@check("a cancel of an idle connection does not hit another client's query")
def cancel_of_idle():
    with Session() as idle, Session() as busy:
        for _ in range(20):
            equal(value(idle, "select 1"), 1)
            idle.commit()
            canceller = concurrent.futures.ThreadPoolExecutor().submit(idle.cancel)
            equal(
                rows(busy, "select 'done' from generate_series(1, 1000) n order by n desc limit 1"),
                [("done",)],
            )
            busy.commit()
            with contextlib.suppress(psycopg2.OperationalError):  # of a key that is not in use
                canceller.result()


@check("statement_timeout of a transaction ends its query, and does not outlive it")
def statement_timeout():
    with Session() as connection:
        run(connection, "set local statement_timeout = '50ms'")
        with raises(psycopg2.errors.QueryCanceled):
            run(connection, "select pg_sleep(15)")
        connection.rollback()
        equal(rows(connection, "select 'done' from pg_sleep(0.1)"), [("done",)])


@check("notices come to the client whose statement raised them")
def notices():
    def work(number):
        with Session(autocommit=True) as connection:
            for _ in range(5):
                run(connection, f"do $$ begin raise notice 'for client %', {number}; end $$")
            equal(connection.notices, [f"NOTICE:  for client {number}\n"] * 5)

    in_threads(8, work)


def wait(connection):
    """Until an asynchronous connection has come to the end of what it does."""
    while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
        reading = state == psycopg2.extensions.POLL_READ
        select.select([connection] if reading else [], [] if reading else [connection], [])


@check("asynchronous connections work at the same time")
def asynchronous():
    connections = [psycopg2.connect("", async_=True) for _ in range(8)]
    for connection in connections:
        wait(connection)
    for _ in range(10):
        cursors = [connection.cursor() for connection in connections]
        for number, cursor in enumerate(cursors):
            cursor.execute("select %s, repeat('x', 100000)", (number,))
        for number, cursor in enumerate(cursors):
            wait(cursor.connection)
            equal(cursor.fetchall(), [(number, "x" * 100_000)])
    for connection in connections:
        connection.close()


@check("a wait callback (green mode) does all of the same")
def green():
    psycopg2.extensions.set_wait_callback(wait)
    try:
        with Session() as connection:
            equal(value(connection, "select %s", ("green",)), "green")
            with raises(psycopg2.errors.DivisionByZero):
                run(connection, "select 1 / 0")
            connection.rollback()
            equal(value(connection, "select repeat('x', 3000000)"), "x" * 3_000_000)
    finally:
        psycopg2.extensions.set_wait_callback(None)


@check("the driver's own pool resets its connections and hands them out again")
def pooled():
    pool = psycopg2.pool.ThreadedConnectionPool(2, 8, "")

    def work(number):
        for step in range(10):
            connection = pool.getconn()
            equal(value(connection, "select %s * 2", (number + step,)), (number + step) * 2)
            pool.putconn(connection)  # rolls back
        connection = pool.getconn()
        connection.autocommit = True
        connection.reset()  # ABORT; RESET ALL; SET SESSION AUTHORIZATION DEFAULT
        equal(connection.autocommit, False)
        pool.putconn(connection)

    in_threads(8, work)
    pool.closeall()


@check("fifty connections come and go, some of them in the middle of a transaction")
def reconnecting():
    for number in range(50):
        with Session() as connection:
            run(connection, "update psycopg2_items set name = 'lost' where id = 3")
            if number % 2 == 0:
                connection.rollback()
    with Session() as connection:
        equal(value(connection, "select name from psycopg2_items where id = 3"), "item 3")


@check("a wrong password is refused")
def wrong_password():
    with raises(psycopg2.OperationalError) as caught:
        psycopg2.connect("", password="not this one")
    equal("authentication failed" in caught.text.lower(), True)


run_checks()

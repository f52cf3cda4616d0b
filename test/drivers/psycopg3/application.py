"""What an application does with psycopg 3 (libpq's extended protocol, pipelines and COPY), through the pooler."""

import asyncio
import concurrent.futures
import contextlib
import datetime
import decimal
import threading
import uuid

import psycopg
import psycopg_pool
from checks import check, equal, in_threads, raises, run_checks
from psycopg import errors, sql
from psycopg.types.json import Jsonb

print("driver psycopg", psycopg.__version__)


def connect(**options):
    return psycopg.connect("", **options)


async def connect_async(**options):
    return await psycopg.AsyncConnection.connect("", **options)


def value(connection, statement, arguments=None, **options):
    return connection.execute(statement, arguments, **options).fetchone()[0]


with connect(autocommit=True) as setup:
    setup.execute("drop table if exists psycopg_items")
    setup.execute(
        "create table psycopg_items (id int primary key, name text, counter int not null default 0)"
    )
    setup.execute("insert into psycopg_items select n, 'item ' || n from generate_series(0, 999) n")


@check("statements are prepared once and used in many transactions")
def prepared():
    with connect() as connection:
        for n in range(50):
            name = value(connection, "select name from psycopg_items where id = %s", (n,), prepare=True)
            equal(name, f"item {n}")
            connection.commit()


@check("every threshold of preparing gives the same answers (never, at once, after five uses)")
def thresholds():
    for threshold in (None, 0, 5):
        with connect(autocommit=True, prepare_threshold=threshold) as connection:
            for n in range(12):
                row = connection.execute(
                    "select %s::int, %s::text, name from psycopg_items", (n, f"text {n}")
                ).fetchone()
                equal(row[:2], (n, f"text {n}"))
                equal(value(connection, "select count(*) from psycopg_items"), 1000)


@check("sixteen clients prepare the same texts under the same names in different order")
def same_names():
    def work(number):
        statements = [f"select %s::int + {addend}" for addend in range(10)]
        order = [(number + n) % 10 for n in range(10)]
        with connect(autocommit=True, prepare_threshold=0) as connection:
            for n in range(5):
                for addend in order:
                    equal(value(connection, statements[addend], (n * number,)), n * number + addend)

    in_threads(16, work)


@check("statements that the driver evicts are closed and prepared anew")
def evicted():
    with connect(autocommit=True, prepare_threshold=0) as connection:
        connection.prepared_max = 3
        for n in range(40):
            equal(value(connection, f"select %s::int + {n % 7}", (n,)), n + n % 7)


@check("the same text with arguments of other types is another statement")
def argument_types():
    with connect(autocommit=True, prepare_threshold=0) as connection:
        for _ in range(3):
            equal(value(connection, "select pg_typeof(%s)::text", (1,)), "smallint")
            equal(value(connection, "select pg_typeof(%s)::text", (2**40,)), "bigint")
            equal(value(connection, "select pg_typeof(%s)::text", (1.5,)), "double precision")
            equal(value(connection, "select pg_typeof(%s)::text", (decimal.Decimal(1),)), "numeric")


@check("a prepared statement answers again after its table has got another column")
def changed_table():
    statement = "select * from psycopg_changing where a = %s"
    with connect(autocommit=True) as other, connect(prepare_threshold=0) as connection:
        other.execute("drop table if exists psycopg_changing")
        other.execute("create table psycopg_changing (a int)")
        other.execute("insert into psycopg_changing values (1)")
        for _ in range(3):
            equal(connection.execute(statement, (1,)).fetchall(), [(1,)])
            connection.commit()
        other.execute("alter table psycopg_changing add b int default 2")
        with contextlib.suppress(errors.FeatureNotSupported):  # cached plan must not change result type
            connection.execute(statement, (1,))
        connection.rollback()  # here the driver forgets what it has prepared
        for _ in range(5):
            equal(connection.execute(statement, (1,)).fetchall(), [(1, 2)])
            connection.commit()


@check("rows in binary and in text are the same")
def binary():
    sent = (2**40, 0.1, datetime.date(2000, 2, 29), b"\0\xff", decimal.Decimal("1.50"), "ž")
    statement = "select %s::int8, %s::float8, %s::date, %s::bytea, %s::numeric, %s::text"
    with connect(autocommit=True) as connection:
        for prepare in (False, True):
            for as_binary in (False, True):
                row = connection.execute(statement, sent, binary=as_binary, prepare=prepare).fetchone()
                equal(row, sent)


@check("values of many types come back as they were sent")
def types():
    values = {
        "int8": -(2**63),
        "numeric": decimal.Decimal("-12345678901234567890.0123456789"),
        "bool": False,
        "text": "žluťoučký \N{PILE OF POO} \\ ' \" \t\n",
        "timestamptz": datetime.datetime.now(datetime.timezone.utc),
        "timestamp": datetime.datetime(1999, 12, 31, 23, 59, 59, 999999),
        "interval": datetime.timedelta(days=-3, seconds=7, microseconds=11),
        "uuid": uuid.UUID(int=2**100 + 1),
        "int[]": [1, None, 3],
        "text[]": ["a,b", '"', "", None, "{}"],
    }
    with connect() as connection:
        for name, sent in values.items():
            for prepare in (False, True):
                equal((name, value(connection, f"select %s::{name}", (sent,), prepare=prepare)), (name, sent))
                equal((name, value(connection, f"select %s::{name}", (None,), prepare=prepare)), (name, None))
        sent = {"a": [1, None, {"ü": "\u2028"}]}
        equal(value(connection, "select %s", (Jsonb(sent),)), sent)


@check("5 MB of text and of bytes come back whole")
def big_values():
    text = "čtyři " * 800_000
    data = bytes(range(256)) * 20_000
    with connect() as connection:
        for prepare in (False, True):
            equal(value(connection, "select %s::text", (text,), prepare=prepare), text)
            equal(value(connection, "select %s::bytea", (data,), prepare=prepare, binary=True), data)
            connection.commit()


@check("transactions nest: the inner one is rolled back, the outer one committed")
def nested():
    with connect() as connection:
        with connection.transaction():
            connection.execute("insert into psycopg_items values (5000, 'outer')")
            with raises(errors.UniqueViolation):
                with connection.transaction():
                    connection.execute("insert into psycopg_items values (5001, 'inner')")
                    connection.execute("insert into psycopg_items values (5000, 'twice')")
            with connection.transaction(force_rollback=True):
                connection.execute("insert into psycopg_items values (5002, 'forced')")
        got = connection.execute("select id from psycopg_items where id >= 5000").fetchall()
        equal(got, [(5000,)])
        connection.execute("delete from psycopg_items where id >= 5000")


@check("after an error a transaction takes nothing more until its rollback")
def failed_transaction():
    with connect(prepare_threshold=0) as connection:
        connection.execute("update psycopg_items set name = 'lost' where id = %s", (2,))
        with raises(errors.DivisionByZero):
            connection.execute("select 1 / %s", (0,))
        with raises(errors.InFailedSqlTransaction):
            connection.execute("select %s", ("x",))
        connection.rollback()
        equal(value(connection, "select name from psycopg_items where id = %s", (2,)), "item 2")


@check("wrong SQL is an error that points at its place, prepared or not")
def wrong_sql():
    with connect(autocommit=True) as connection:
        for prepare in (False, True, True):
            try:
                connection.execute("select %s frmo nothing", (1,), prepare=prepare)
                raise AssertionError("no error")
            except errors.SyntaxError as error:
                equal(error.diag.statement_position, "16")
            with raises(errors.UndefinedTable):
                connection.execute("select * from psycopg_missing where id = %s", (1,), prepare=prepare)
            equal(value(connection, "select %s::int", (2,), prepare=prepare), 2)


@check("isolation level and read-only hold for the transactions of their own connection")
def isolation():
    with connect() as strict, connect() as plain:
        strict.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        strict.read_only = True
        for _ in range(3):
            equal(value(strict, "show transaction_isolation"), "serializable")
            with raises(errors.ReadOnlySqlTransaction):
                strict.execute("delete from psycopg_items")
            strict.rollback()
            equal(value(plain, "show transaction_isolation"), "read committed")
            plain.rollback()


@check("executemany writes its rows, and returns those of each statement")
def executemany():
    arguments = [(n, f"many {n}") for n in range(6000, 6500)]
    with connect() as connection, connection.cursor() as cursor:
        cursor.executemany(
            "insert into psycopg_items values (%s, %s) returning id", arguments, returning=True
        )
        equal([row for result in cursor.results() for row in result], [(n,) for n, _ in arguments])
        cursor.executemany("delete from psycopg_items where id = %s", [(n,) for n, _ in arguments])
        equal(cursor.rowcount, 500)


@check("executemany with an error in its middle leaves nothing")
def broken_executemany():
    arguments = (
        [(n, "x") for n in range(6000, 6100)] + [(6000, "twice")] + [(n, "x") for n in range(6100, 6200)]
    )
    with connect() as connection, connection.cursor() as cursor:
        with raises(errors.UniqueViolation):
            cursor.executemany("insert into psycopg_items values (%s, %s)", arguments)
        connection.rollback()
        equal(value(connection, "select count(*) from psycopg_items where id >= 6000"), 0)


@check("a pipeline gives each statement its own answer")
def pipeline():
    with connect(autocommit=True) as connection:
        with connection.pipeline():
            cursors = [connection.execute("select %s::int, repeat('x', %s)", (n, n * 10)) for n in range(300)]
            equal([cursor.fetchone() for cursor in cursors], [(n, "x" * (n * 10)) for n in range(300)])


@check("an error in a pipeline stops what stands before the next sync, and only that")
def broken_pipeline():
    with connect(autocommit=True) as connection:
        for prepare in (False, True):
            with raises(errors.DivisionByZero):
                with connection.pipeline() as pipeline:
                    connection.execute(
                        "update psycopg_items set name = %s where id = 4", ("kept",), prepare=prepare
                    )
                    pipeline.sync()
                    connection.execute(
                        "update psycopg_items set name = %s where id = 4", ("lost",), prepare=prepare
                    )
                    connection.execute("select 1 / %s", (0,), prepare=prepare)
                    connection.execute(
                        "update psycopg_items set name = %s where id = 4", ("never",), prepare=prepare
                    )
                    pipeline.sync()
            equal(value(connection, "select name from psycopg_items where id = 4"), "kept")


@check("pipelines with transactions and errors leave the connection usable again and again")
def pipelined_transactions():
    with connect(autocommit=True, prepare_threshold=0) as connection:
        for n in range(10):
            with raises(errors.UniqueViolation):
                with connection.pipeline(), connection.transaction():
                    connection.execute("insert into psycopg_items values (%s, 'once')", (7000 + n,))
                    connection.execute("insert into psycopg_items values (%s, 'twice')", (n,))
                    connection.execute("select %s::text", ("never",))
            with connection.pipeline(), connection.transaction():
                cursor = connection.execute(
                    "update psycopg_items set counter = counter + %s where id = 8", (n,)
                )
            equal(cursor.rowcount, 1)
        equal(value(connection, "select count(*) from psycopg_items where id >= 7000"), 0)
        equal(value(connection, "select counter from psycopg_items where id = 8"), 45)


@check("sixteen clients send pipelines at the same time")
def many_pipelines():
    def work(number):
        with connect(autocommit=True) as connection:
            for _ in range(4):
                with connection.pipeline():
                    sent = [number * 1000 + n for n in range(50)]
                    cursors = [connection.execute("select %s::int", (n,)) for n in sent]
                    equal([cursor.fetchone()[0] for cursor in cursors], sent)

    in_threads(16, work)


@check("rows are streamed one by one, in chunks, and given up half-way")
def stream():
    statement = "select n, n * %s from generate_series(1, 5000) n"
    expected = [(n, n * 3) for n in range(1, 5001)]
    with connect(autocommit=True) as connection, connection.cursor() as cursor:
        equal(list(cursor.stream(statement, (3,))), expected)
        equal(list(cursor.stream(statement, (3,), size=100)), expected)
        for row in cursor.stream(statement, (3,)):
            if row[0] == 10:
                break
        equal(value(connection, "select %s::int", (4,)), 4)


@check("a server cursor walks through its transaction, back and forth")
def server_cursor():
    with connect() as connection:
        with connection.cursor("walk", scrollable=True) as cursor:
            cursor.itersize = 64
            cursor.execute("select id from psycopg_items where id < %s order by id", (1000,))
            equal([row[0] for row in cursor], list(range(1000)))
            cursor.scroll(10, mode="absolute")
            equal(cursor.fetchone(), (10,))
        connection.commit()

    def walk(number):
        with connect() as connection, connection.cursor("walk") as cursor:
            cursor.itersize = 25
            cursor.execute("select n + %s from generate_series(0, 199) n", (number * 1000,))
            equal([row[0] for row in cursor], [number * 1000 + n for n in range(200)])

    in_threads(16, walk)


@check("client cursors (simple protocol) and raw cursors take part in the same transaction")
def kinds_of_cursors():
    with connect() as connection:
        for n in range(10):
            with connection.transaction():
                client = psycopg.ClientCursor(connection)
                client.execute("update psycopg_items set name = %s where id = 9", (f"it's {n}",))
                raw = psycopg.RawCursor(connection)
                raw.execute("select name from psycopg_items where id = $1", (9,), prepare=True)
                equal(raw.fetchone(), (f"it's {n}",))
                named = psycopg.RawServerCursor(connection, "raw")
                named.execute("select id from psycopg_items where id < $1 order by id", (3,))
                equal(named.fetchall(), [(0,), (1,), (2,)])
                named.close()


@check("several statements in one query give all of their results")
def several_results():
    with connect(autocommit=True) as connection:
        cursor = connection.execute("select 1; select 2, 3; values (4), (5)")
        equal([each.fetchall() for each in cursor.results()], [[(1,)], [(2, 3)], [(4,), (5,)]])
        cursor = connection.execute("")
        equal(cursor.description, None)
        equal(value(connection, "select 1"), 1)


@check("COPY in and out keep every row, as text, as rows and in binary")
def copy():
    rows = [(n, f"copied\t{n}\n" if n % 3 else None, n % 7) for n in range(10_000, 20_000)]
    into = "copy psycopg_items from stdin"
    out = "copy (select * from psycopg_items where id >= 10000 order by id) to stdout"
    with connect() as connection, connection.cursor() as cursor:
        for mode in ("", " (format binary)"):
            with cursor.copy(into + mode) as copy:
                copy.set_types(["int4", "text", "int4"])
                for row in rows:
                    copy.write_row(row)
            equal(cursor.rowcount, len(rows))
            connection.commit()
            with cursor.copy(out + mode) as copy:
                copy.set_types(["int4", "text", "int4"])
                equal(list(copy.rows()), rows)
            connection.execute("delete from psycopg_items where id >= 10000")
            connection.commit()


@check("a COPY that breaks off on either side is an error, and the connection stays")
def broken_copy():
    with connect() as connection, connection.cursor() as cursor:
        with raises(ZeroDivisionError):
            with cursor.copy("copy psycopg_items from stdin") as copy:
                for n in range(10_000, 20_000):
                    copy.write_row((n, "lost", 1 // (19_999 - n)))
        connection.rollback()
        with raises(errors.InvalidTextRepresentation):
            with cursor.copy("copy psycopg_items from stdin") as copy:
                for _ in range(200):
                    copy.write("not a number\tx\t0\n" * 1000)
        connection.rollback()
        with raises(ZeroDivisionError):
            with cursor.copy(
                "copy (select repeat('x', 1000) from generate_series(1, 20000)) to stdout"
            ) as copy:
                equal(len(copy.read()), 1001)
                1 / 0  # the driver cancels, and drops what comes until then
        connection.rollback()
        equal(value(connection, "select count(*) from psycopg_items"), 1000)


def cancelled(connection, cancel, arguments):
    """Cancels a query once PostgreSQL is at work on it; raises what the driver says of the cancel."""

    def cancel_running():
        with connect(autocommit=True) as observer:
            while value(observer, "select count(*) from pg_stat_activity where wait_event = 'PgSleep'") == 0:
                pass
        cancel()

    canceller = concurrent.futures.ThreadPoolExecutor().submit(cancel_running)
    with raises(errors.QueryCanceled):
        connection.execute(
            "select pg_sleep(%s)" if arguments else "select pg_sleep(15)", arguments, prepare=True
        )
    canceller.result()
    connection.rollback()
    equal(value(connection, "select %s::text", ("still here",)), "still here")


@check("a cancel ends the running query, and the connection stays usable")
def cancel():
    with connect() as connection:
        for arguments in (None, (15,)):
            cancelled(connection, connection.cancel, arguments)


@check("the cancel of libpq 17, which waits until its own connection is closed, has no error")
def cancel_safe():
    with connect() as connection:
        cancelled(connection, lambda: connection.cancel_safe(timeout=5), None)


@check("statement_timeout of a transaction ends its query, and does not outlive it")
def statement_timeout():
    with connect() as connection:
        connection.execute("set local statement_timeout = '50ms'")
        with raises(errors.QueryCanceled):
            connection.execute("select pg_sleep(15)")
        connection.rollback()
        equal(connection.execute("select 'done' from pg_sleep(0.1)").fetchone(), ("done",))


@check("sixteen clients on four servers count up in one row, and no count is lost")
def counter():
    def work(_):
        with connect(prepare_threshold=2) as connection:
            for _ in range(20):
                with connection.transaction():
                    before = value(
                        connection, "select counter from psycopg_items where id = %s for update", (7,)
                    )
                    connection.execute("update psycopg_items set counter = %s where id = %s", (before + 1, 7))

    in_threads(16, work)
    with connect() as connection:
        equal(value(connection, "select counter from psycopg_items where id = 7"), 16 * 20)


@check("a row factory, composite types and dynamic identifiers")
def factories():
    with connect(row_factory=psycopg.rows.dict_row) as connection:
        statement = sql.SQL("select {}, {} from {} where id = %s").format(
            sql.Identifier("id"), sql.Identifier("name"), sql.Identifier("psycopg_items")
        )
        equal(connection.execute(statement, (6,)).fetchone(), {"id": 6, "name": "item 6"})
        connection.execute("drop type if exists psycopg_point")
        connection.execute("create type psycopg_point as (x int, label text)")
        info = psycopg.types.composite.CompositeInfo.fetch(connection, "psycopg_point")
        psycopg.types.composite.register_composite(info, connection)
        row = connection.execute("select row(3, 'a,b')::psycopg_point as point").fetchone()
        equal(tuple(row["point"]), (3, "a,b"))


@check("asynchronous clients get their own answers, more of them than servers")
async def asynchronous():
    async def work(number):
        async with await connect_async(prepare_threshold=1) as connection:
            for step in range(15):
                cursor = await connection.execute("select %s::int, %s::text", (step, f"client {number}"))
                equal(await cursor.fetchall(), [(step, f"client {number}")])
                await connection.commit()

    await asyncio.gather(*(work(number) for number in range(16)))


@check("an asynchronous task that times out cancels its query, and the connection stays usable")
async def asynchronous_timeout():
    async with await connect_async(autocommit=True) as connection:
        with raises(asyncio.TimeoutError):
            await asyncio.wait_for(connection.execute("select pg_sleep(%s)", (15,)), 0.1)
        cursor = await connection.execute("select %s::text", ("still here",))
        equal(await cursor.fetchone(), ("still here",))
        async with connection.pipeline():
            cursors = [await connection.execute("select %s::int", (n,)) for n in range(50)]
            equal([await cursor.fetchone() for cursor in cursors], [(n,) for n in range(50)])


@check("the driver's own pool checks its connections and hands them out again")
def pooled():
    check_connection = psycopg_pool.ConnectionPool.check_connection
    with psycopg_pool.ConnectionPool("", min_size=2, max_size=8, check=check_connection, open=True) as pool:

        def work(number):
            for step in range(10):
                with pool.connection() as connection:
                    equal(value(connection, "select %s::int * 2", (number + step,)), (number + step) * 2)
            with raises(errors.DivisionByZero), pool.connection() as connection:
                connection.execute("select 1 / 0")

        in_threads(16, work)


@check("fifty connections come and go, some of them in the middle of a transaction")
def reconnecting():
    for number in range(50):
        connection = connect(prepare_threshold=0)
        connection.execute("update psycopg_items set name = 'lost' where id = %s", (3,))
        if number % 2 == 0:
            connection.rollback()
        connection.close()
    with connect() as connection:
        equal(value(connection, "select name from psycopg_items where id = 3"), "item 3")


run_checks()

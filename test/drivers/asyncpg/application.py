"""What an application does with asyncpg (its own implementation of the binary protocol), through the pooler."""

import asyncio
import datetime
import decimal
import io
import json
import uuid

import asyncpg
from checks import check, equal, raises, run_checks

print("driver asyncpg", asyncpg.__version__)


class Session:
    """A connection that is closed at the end of the block whatever happened in it."""

    def __init__(self, **options):
        self.options = options

    async def __aenter__(self):
        self.connection = await asyncpg.connect(**self.options)
        return self.connection

    async def __aexit__(self, *_):
        await self.connection.close(timeout=5)


def at_once(count, work):
    """work(number) for each number below count, at the same time; raises what one of them raised."""
    return asyncio.gather(*(work(number) for number in range(count)))


def values_of(rows):
    return [tuple(row) for row in rows]


async def set_up():
    async with Session() as connection:
        await connection.execute("""
            drop table if exists asyncpg_items;
            create table asyncpg_items (id int primary key, name text, counter int not null default 0);
            insert into asyncpg_items select n, 'item ' || n from generate_series(0, 999) n;
            """)


asyncio.run(set_up())


@check("statements are prepared once and used in many transactions")
async def prepared():
    async with Session() as connection:
        statement = await connection.prepare("select name from asyncpg_items where id = $1")
        for n in range(50):
            async with connection.transaction():
                equal(await statement.fetchval(n), f"item {n}")
        for n in range(50):
            equal(await statement.fetchval(n), f"item {n}")


@check("a prepared statement tells its parameters, its columns and its plan")
async def described():
    async with Session() as connection:
        for _ in range(2):
            statement = await connection.prepare(
                "select id, name from asyncpg_items where id = $1 and name = $2"
            )
            equal([each.name for each in statement.get_parameters()], ["int4", "text"])
            equal(
                [(each.name, each.type.name) for each in statement.get_attributes()],
                [("id", "int4"), ("name", "text")],
            )
            plan = await statement.explain(1, "x")
            equal(plan[0]["Plan"]["Node Type"], "Index Scan")
            statement = await connection.prepare("delete from asyncpg_items where false")
            equal(statement.get_attributes(), ())


@check("with a cache of statements, with a small one and without one the answers are the same")
async def cache_sizes():
    for size in (100, 2, 0):
        async with Session(statement_cache_size=size) as connection:
            for n in range(30):
                equal(await connection.fetchval(f"select $1::int + {n % 5}", n), n + n % 5)
            async with connection.transaction():
                for n in range(10):
                    equal(await connection.fetchval(f"select $1::int * {n % 5}", n), n * (n % 5))


@check("sixteen clients prepare the same texts under the same names in different order")
async def same_names():
    async def work(number):
        async with Session() as connection:
            for step in range(20):
                addend = (number + step) % 10
                equal(await connection.fetchval(f"select $1::int + {addend}", step), step + addend)

    await at_once(16, work)


@check("a prepared statement answers again after its table has got another column")
async def changed_table():
    statement = "select * from asyncpg_changing where a = $1"
    async with Session() as other, Session() as connection:
        await other.execute("drop table if exists asyncpg_changing; create table asyncpg_changing (a int)")
        await other.execute("insert into asyncpg_changing values (1)")
        for _ in range(3):
            equal(values_of(await connection.fetch(statement, 1)), [(1,)])
        await other.execute("alter table asyncpg_changing add b int default 2")
        for _ in range(3):  # the driver itself prepares it again, because no transaction is open
            equal(values_of(await connection.fetch(statement, 1)), [(1, 2)])


@check("values of many types come back as they were sent")
async def types():
    values = {
        "int8": -(2**63),
        "int2": 7,
        "numeric": decimal.Decimal("-12345678901234567890.0123456789"),
        "float8": 0.1,
        "bool": False,
        "text": "žluťoučký \N{PILE OF POO} \\ ' \" \t\n",
        "bytea": b"\0\xff'",
        "timestamptz": datetime.datetime.now(datetime.timezone.utc),
        "timestamp": datetime.datetime(1999, 12, 31, 23, 59, 59, 999999),
        "date": datetime.date(2000, 2, 29),
        "time": datetime.time(23, 59, 59, 1),
        "interval": datetime.timedelta(days=-3, seconds=7, microseconds=11),
        "uuid": uuid.UUID(int=2**100 + 1),
        "jsonb": '{"ü": [1, null]}',
        "int[]": [1, None, 3],
        "text[]": [["a,b", '"'], ["", None]],
        "point": asyncpg.Point(1.5, -2),
        "int4range": asyncpg.Range(1, 5),
    }
    async with Session() as connection:
        for name, sent in values.items():
            for expected in (sent, None):
                equal((name, await connection.fetchval(f"select $1::{name}", expected)), (name, expected))


@check("types that the driver asks PostgreSQL about: enumerations, composites, domains and arrays of them")
async def introspection():
    async with Session() as connection:
        await connection.execute("""
            drop type if exists asyncpg_mood, asyncpg_place cascade;
            create type asyncpg_mood as enum ('glad', 'sad');
            create type asyncpg_place as (x int, mood asyncpg_mood, names text[]);
            """)

    async def work(number):
        async with Session() as connection:
            for _ in range(3):
                place = (number, "sad", ["a", None])
                got = await connection.fetchval("select $1::asyncpg_place", place)
                equal(tuple(got), place)
                got = await connection.fetchval("select $1::asyncpg_mood[]", ["glad", "sad", None])
                equal(got, ["glad", "sad", None])

    await at_once(8, work)


@check("the application's own codecs translate json both ways")
async def codecs():
    async with Session() as connection:
        await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
        sent = {"a": [1, None, {"ü": "\u2028"}]}
        equal(await connection.fetchval("select $1::jsonb", sent), sent)
        await connection.reset_type_codec("jsonb", schema="pg_catalog")
        equal(await connection.fetchval("select $1::jsonb", "[1]"), "[1]")


@check("5 MB of text and of bytes come back whole")
async def big_values():
    text = "čtyři " * 800_000
    data = bytes(range(256)) * 20_000
    async with Session() as connection:
        for _ in range(2):
            equal(await connection.fetchval("select $1::text", text), text)
            equal(await connection.fetchval("select $1::bytea", data), data)


@check("a hundred thousand rows come in order")
async def many_rows():
    async with Session() as connection:
        rows = await connection.fetch("select n, 'row ' || n from generate_series(1, $1::int) n", 100_000)
        equal(values_of(rows), [(n, f"row {n}") for n in range(1, 100_001)])


@check("transactions nest: the inner one is rolled back, the outer one committed")
async def nested():
    async with Session() as connection:
        async with connection.transaction():
            await connection.execute("insert into asyncpg_items values ($1, $2)", 5000, "outer")
            with raises(asyncpg.UniqueViolationError):
                async with connection.transaction():
                    await connection.execute("insert into asyncpg_items values ($1, $2)", 5001, "inner")
                    await connection.execute("insert into asyncpg_items values ($1, $2)", 5000, "twice")
        equal(values_of(await connection.fetch("select id from asyncpg_items where id >= 5000")), [(5000,)])
        equal(await connection.execute("delete from asyncpg_items where id = $1", 5000), "DELETE 1")


@check("after an error a transaction takes nothing more until its rollback")
async def failed_transaction():
    async with Session() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("update asyncpg_items set name = 'lost' where id = $1", 2)
        with raises(asyncpg.DivisionByZeroError):
            await connection.fetchval("select 1 / $1::int", 0)
        with raises(asyncpg.InFailedSQLTransactionError):
            await connection.fetchval("select $1::text", "x")
        equal(connection.is_in_transaction(), True)
        await transaction.rollback()
        equal(connection.is_in_transaction(), False)
        equal(await connection.fetchval("select name from asyncpg_items where id = $1", 2), "item 2")


@check("isolation level and read-only hold for their own transaction")
async def isolation():
    async with Session() as connection:
        for _ in range(3):
            async with connection.transaction(isolation="serializable", readonly=True):
                equal(await connection.fetchval("show transaction_isolation"), "serializable")
                with raises(asyncpg.ReadOnlySQLTransactionError):
                    async with connection.transaction():
                        await connection.execute("delete from asyncpg_items")
            equal(await connection.fetchval("show transaction_isolation"), "read committed")
            equal(await connection.fetchval("show transaction_read_only"), "off")


@check("wrong SQL and wrong values are errors, and the connection stays")
async def wrong_sql():
    async with Session() as connection:
        for _ in range(3):
            with raises(asyncpg.PostgresSyntaxError) as caught:
                await connection.fetch("select $1::int frmo nothing", 1)
            equal(caught.text, 'syntax error at or near "nothing"')
            with raises(asyncpg.UndefinedTableError):
                await connection.prepare("select * from asyncpg_missing")
            with raises(asyncpg.DataError):
                await connection.fetch("select $1::int", "not a number")
            with raises(asyncpg.InvalidTextRepresentationError):
                await connection.fetch("select $1::text::int", "not a number")
            equal(await connection.fetchval("select $1::int", 2), 2)


@check("executemany writes its rows, all or none of them")
async def executemany():
    statement = "insert into asyncpg_items values ($1, $2)"
    rows = [(n, f"many {n}" * 20) for n in range(6000, 7000)]
    async with Session() as connection:
        await connection.executemany(statement, rows)
        equal(await connection.fetchval("select count(*) from asyncpg_items where id >= 6000"), 1000)
        await connection.executemany("delete from asyncpg_items where id = $1", [row[:1] for row in rows])
        with raises(asyncpg.UniqueViolationError):
            await connection.executemany(statement, rows[:500] + rows[:1] + rows[500:])
        equal(await connection.fetchval("select count(*) from asyncpg_items where id >= 6000"), 0)


@check("fetchmany returns the rows of each of its statements")
async def fetchmany():
    async with Session() as connection:
        rows = await connection.fetchmany("select $1::int * 2, $2::text", [(n, f"t{n}") for n in range(200)])
        equal(values_of(rows), [(n * 2, f"t{n}") for n in range(200)])


@check("cursors walk through their transaction, several of them at once")
async def cursors():
    async with Session() as connection:
        async with connection.transaction():
            rows = [
                row["id"]
                async for row in connection.cursor("select id from asyncpg_items order by id", prefetch=7)
            ]
            equal(rows, list(range(1000)))
            statement = await connection.prepare("select n from generate_series($1::int, 1000) n")
            one, two = await statement.cursor(1), await statement.cursor(500)
            equal([row[0] for row in await one.fetch(3)], [1, 2, 3])
            equal([row[0] for row in await two.fetch(3)], [500, 501, 502])
            equal(await one.forward(10), 10)
            equal((await one.fetchrow())[0], 14)
            equal((await two.fetchrow())[0], 503)
        with raises(asyncpg.NoActiveSQLTransactionError):
            await connection.cursor("select 1")


@check("sixteen clients walk cursors at the same time, each over its own rows")
async def many_cursors():
    async def work(number):
        async with Session() as connection, connection.transaction():
            cursor = connection.cursor(
                "select $1::int + n from generate_series(0, 99) n", number * 1000, prefetch=10
            )
            equal([row[0] async for row in cursor], [number * 1000 + n for n in range(100)])

    await at_once(16, work)


@check("COPY in and out keep every row, as records, from files and from a query")
async def copy():
    records = [(n, f"copied\t{n}\n" if n % 3 else None, n % 7) for n in range(10_000, 20_000)]
    query = "select * from asyncpg_items where id >= $1 order by id"
    async with Session() as connection:
        equal(await connection.copy_records_to_table("asyncpg_items", records=records), "COPY 10000")
        equal(values_of(await connection.fetch(query, 10_000)), records)
        out = io.BytesIO()
        equal(await connection.copy_from_query(query, 10_000, output=out, format="csv"), "COPY 10000")
        await connection.execute("delete from asyncpg_items where id >= 10000")
        out.seek(0)
        equal(await connection.copy_to_table("asyncpg_items", source=out, format="csv"), "COPY 10000")
        equal(values_of(await connection.fetch(query, 10_000)), records)
        await connection.execute("delete from asyncpg_items where id >= 10000")
        whole = io.BytesIO()
        equal(await connection.copy_from_table("asyncpg_items", output=whole, columns=["id"]), "COPY 1000")
        equal(sorted(map(int, whole.getvalue().split())), list(range(1000)))


@check("a COPY that breaks off on either side is an error, and the connection stays")
async def broken_copy():
    async def source(last_line):
        for n in range(10_000, 20_000):
            yield b"%d\tlost\t0\n" % n
        if last_line is None:
            raise ZeroDivisionError
        yield last_line
        for _ in range(1000):
            yield b"x" * 1000

    async def sink(_):
        raise ZeroDivisionError

    async with Session() as connection:
        with raises(ZeroDivisionError):
            await connection.copy_to_table("asyncpg_items", source=source(None))
        with raises(asyncpg.InvalidTextRepresentationError):
            await connection.copy_to_table("asyncpg_items", source=source(b"not a number\tx\t0\n"))
        with raises(ZeroDivisionError):
            await connection.copy_from_query(
                "select repeat('x', 1000) from generate_series(1, 20000)", output=sink
            )
        equal(await connection.fetchval("select count(*) from asyncpg_items where id > $1", -1), 1000)


@check("a query that times out is cancelled, and the connection stays usable")
async def timeout():
    async with Session() as connection:
        for _ in range(3):
            with raises(asyncio.TimeoutError):
                await connection.fetchval("select 1 from pg_sleep($1)", 15, timeout=0.1)
            equal(await connection.fetchval("select $1::text", "still here"), "still here")
            with raises(asyncio.TimeoutError):
                await connection.execute("select pg_sleep(15)", timeout=0.1)
            equal(await connection.fetchval("select $1::text", "still here"), "still here")


@check("a task that is cancelled in a transaction ends its query and rolls back")
async def cancelled_task():
    async with Session() as connection:

        async def work():
            async with connection.transaction():
                await connection.execute("update asyncpg_items set name = 'lost' where id = $1", 3)
                started.set()
                await connection.fetch("select pg_sleep($1)", 15)

        started = asyncio.Event()
        task = asyncio.create_task(work())
        await started.wait()
        await asyncio.sleep(0)
        task.cancel()
        with raises(asyncio.CancelledError):
            await task
        equal(connection.is_in_transaction(), False)
        equal(await connection.fetchval("select name from asyncpg_items where id = $1", 3), "item 3")


@check("a second query on a busy connection is refused by the driver, and does no harm")
async def busy():
    async with Session() as connection:
        first = asyncio.create_task(connection.fetchval("select $1::int from pg_sleep(0.2)", 1))
        await asyncio.sleep(0)
        with raises(asyncpg.InterfaceError):
            await connection.fetchval("select $1::int", 2)
        equal(await first, 1)
        equal(await connection.fetchval("select $1::int", 3), 3)


@check("sixteen clients on four servers count up in one row, and no count is lost")
async def counter():
    async def work(_):
        async with Session() as connection:
            for _ in range(20):
                async with connection.transaction():
                    before = await connection.fetchval(
                        "select counter from asyncpg_items where id = $1 for update", 7
                    )
                    await connection.execute(
                        "update asyncpg_items set counter = $1 where id = $2", before + 1, 7
                    )

    await at_once(16, work)
    async with Session() as connection:
        equal(await connection.fetchval("select counter from asyncpg_items where id = 7"), 16 * 20)


@check("the driver's own pool resets its connections and hands them out again")
async def pooled():
    async with asyncpg.create_pool(min_size=2, max_size=8, max_queries=20) as pool:

        async def work(number):
            for step in range(10):
                async with pool.acquire() as connection:
                    equal(await connection.fetchval("select $1::int * 2", number + step), (number + step) * 2)
            with raises(asyncpg.DivisionByZeroError):
                async with pool.acquire() as connection, connection.transaction():
                    await connection.execute("select 1 / $1::int", 0)
            equal(await pool.fetchval("select $1::text", f"client {number}"), f"client {number}")

        await at_once(16, work)
        await pool.expire_connections()
        equal(await pool.fetchval("select $1::int", 1), 1)


@check("what a script of several statements does is undone by an error in it")
async def script():
    async with Session() as connection:
        equal(
            await connection.execute("select 1; select 2; update asyncpg_items set name = name"),
            "UPDATE 1000",
        )
        with raises(asyncpg.DivisionByZeroError):
            await connection.execute("delete from asyncpg_items; select 1 / 0")
        equal(await connection.fetchval("select count(*) from asyncpg_items"), 1000)
        equal(await connection.fetch(""), [])


@check("notices come to the client whose statement raised them")
async def notices():
    async def work(number):
        async with Session() as connection:
            heard = []
            connection.add_log_listener(lambda _, message: heard.append(message.message))
            for _ in range(5):
                await connection.execute(f"do $$ begin raise notice 'for client %', {number}; end $$")
            await asyncio.sleep(0)  # the driver calls the listener from its loop
            equal(heard, [f"for client {number}"] * 5)

    await at_once(8, work)


@check("connections that are dropped in the middle of a transaction or of a query leave nothing behind")
async def dropped():
    async def work(number):
        connection = await asyncpg.connect()
        await connection.execute("begin")
        await connection.execute("update asyncpg_items set name = 'lost' where id = $1", 100 + number)
        if number % 2 == 0:
            task = asyncio.create_task(connection.fetch("select pg_sleep($1)", 0.2))
            await asyncio.sleep(0)
            connection.terminate()
            with raises(Exception):
                await task
        else:
            connection.terminate()

    await at_once(16, work)
    async with Session() as connection, connection.transaction():
        await connection.execute("lock table asyncpg_items")  # has to wait for those that are still at work
        names = await connection.fetch("select distinct name from asyncpg_items where name = $1", "lost")
        equal(values_of(names), [])


run_checks()

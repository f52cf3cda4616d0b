"""What an application does with aiopg (psycopg2's asynchronous connections, in asyncio), through the pooler."""

import asyncio
import datetime
import decimal

import aiopg
import psycopg2
import psycopg2.errors
import psycopg2.extras
from checks import check, equal, raises, run_checks

print("driver aiopg", aiopg.__version__)


async def rows(connection, statement, arguments=None):
    async with connection.cursor() as cursor:
        await cursor.execute(statement, arguments)
        return await cursor.fetchall()


async def value(connection, statement, arguments=None):
    return (await rows(connection, statement, arguments))[0][0]


async def run(connection, statement, arguments=None):
    async with connection.cursor() as cursor:
        await cursor.execute(statement, arguments)
        return cursor.rowcount


def at_once(count, work):
    """work(number) for each number below count, at the same time; raises what one of them raised."""
    return asyncio.gather(*(work(number) for number in range(count)))


async def set_up():
    async with aiopg.connect("") as connection:
        await run(connection, "drop table if exists aiopg_items")
        await run(
            connection, "create table aiopg_items (id int primary key, name text, counter int default 0)"
        )
        await run(connection, "insert into aiopg_items select n, 'item ' || n from generate_series(0, 999) n")


asyncio.run(set_up())


@check("a query with arguments is answered, again and again")
async def queries():
    async with aiopg.connect("") as connection:
        for n in range(100):
            equal(await value(connection, "select name from aiopg_items where id = %s", (n,)), f"item {n}")


@check("values of many types come back as they were sent")
async def types():
    values = {
        "int8": 2**63 - 1,
        "numeric": decimal.Decimal("-12345678901234567890.0123456789"),
        "float8": 0.1,
        "bool": True,
        "text": "žluťoučký \N{PILE OF POO} \\ ' \" \t\n",
        "timestamptz": datetime.datetime.now(datetime.timezone.utc),
        "date": datetime.date(2000, 2, 29),
        "interval": datetime.timedelta(days=-3, seconds=7, microseconds=11),
        "int[]": [1, None, 3],
        "text[]": ["a,b", '"', "", None, "{}"],
    }
    async with aiopg.connect("") as connection:
        for name, sent in values.items():
            for expected in (sent, None):
                equal((name, await value(connection, f"select %s::{name}", (expected,))), (name, expected))
        sent = {"a": [1, None, {"ü": "\u2028"}]}
        equal(await value(connection, "select %s::json", (psycopg2.extras.Json(sent),)), sent)


@check("5 MB of text and of bytes come back whole")
async def big_values():
    text = "čtyři " * 800_000
    data = bytes(range(256)) * 20_000
    async with aiopg.connect("") as connection:
        for _ in range(2):
            equal(await value(connection, "select %s::text", (text,)), text)
            equal(bytes(await value(connection, "select %s::bytea", (data,))), data)


@check("a hundred thousand rows come in order")
async def many_rows():
    async with aiopg.connect("") as connection:
        got = await rows(connection, "select n, 'row ' || n from generate_series(1, 100000) n")
        equal(got, [(n, f"row {n}") for n in range(1, 100_001)])


@check("transactions nest: the inner one is rolled back, the outer one committed")
async def nested():
    async with aiopg.connect("") as connection, connection.cursor() as cursor:
        async with cursor.begin():
            await cursor.execute("insert into aiopg_items values (5000, 'outer')")
            with raises(psycopg2.errors.UniqueViolation):
                async with cursor.begin_nested():
                    await cursor.execute("insert into aiopg_items values (5001, 'inner')")
                    await cursor.execute("insert into aiopg_items values (5000, 'twice')")
        equal(await rows(connection, "select id from aiopg_items where id >= 5000"), [(5000,)])
        equal(await run(connection, "delete from aiopg_items where id >= 5000"), 1)


@check("an error rolls a transaction back, and the connection goes on")
async def failed_transaction():
    async with aiopg.connect("") as connection:
        for _ in range(3):
            with raises(psycopg2.errors.DivisionByZero):
                async with connection.cursor() as cursor, cursor.begin():
                    await cursor.execute("update aiopg_items set name = 'lost' where id = 2")
                    await cursor.execute("select 1 / 0")
            equal(await value(connection, "select name from aiopg_items where id = 2"), "item 2")


@check("after an error a transaction takes nothing more until its rollback")
async def until_rollback():
    async with aiopg.connect("") as connection:
        await run(connection, "begin")
        with raises(psycopg2.errors.UndefinedTable):
            await run(connection, "select * from aiopg_missing")
        with raises(psycopg2.errors.InFailedSqlTransaction):
            await run(connection, "select 1")
        await run(connection, "rollback")
        equal(await value(connection, "select 1"), 1)


@check("isolation level and read-only hold for their own transaction")
async def isolation():
    level = aiopg.IsolationLevel.serializable
    async with aiopg.connect("") as connection:
        for _ in range(3):
            async with connection.cursor(isolation_level=level) as cursor:
                async with aiopg.Transaction(cursor, level, readonly=True):
                    await cursor.execute("show transaction_isolation")
                    equal(await cursor.fetchone(), ("serializable",))
                    await cursor.execute("show transaction_read_only")
                    equal(await cursor.fetchone(), ("on",))
            equal(await value(connection, "show transaction_isolation"), "read committed")
            equal(await value(connection, "show transaction_read_only"), "off")


@check("wrong SQL is an error that points at its place, and the connection stays")
async def wrong_sql():
    async with aiopg.connect("") as connection:
        for _ in range(3):
            try:
                await run(connection, "select 1 frmo nothing")
                raise AssertionError("no error")
            except psycopg2.errors.SyntaxError as error:
                equal(error.diag.statement_position, "15")
            equal(await value(connection, "select 2"), 2)


@check("several statements in one query give the result of the last, and one error undoes them all")
async def several_statements():
    async with aiopg.connect("") as connection:
        equal(await value(connection, "select 1; select 2; select 3"), 3)
        with raises(psycopg2.errors.DivisionByZero):
            await run(connection, "delete from aiopg_items; select 1 / 0")
        equal(await value(connection, "select count(*) from aiopg_items"), 1000)


@check("a cursor that is declared in SQL is walked in its transaction")
async def declared_cursor():
    async def walk(number):
        async with aiopg.connect("") as connection, connection.cursor() as cursor:
            async with cursor.begin():
                statement = "declare walk cursor for select n + %s from generate_series(0, 199) n"
                await cursor.execute(statement, (number * 1000,))
                got = []
                while True:
                    await cursor.execute("fetch 30 from walk")
                    portion = await cursor.fetchall()
                    if not portion:
                        break
                    got += [row[0] for row in portion]
                equal(got, [number * 1000 + n for n in range(200)])

    await at_once(16, walk)


@check("sixteen clients on four servers get their own answers")
async def many_clients():
    async def work(number):
        async with aiopg.connect("") as connection:
            for step in range(30):
                sent = (number * 1000 + step, str(number) * 100)
                equal(await rows(connection, "select %s, %s", sent), [sent])

    await at_once(16, work)


@check("sixteen clients of the driver's own pool count up in one row, and no count is lost")
async def counter():
    async with aiopg.create_pool("", minsize=2, maxsize=8, pool_recycle=1) as pool:

        async def work(_):
            for _ in range(15):
                async with pool.acquire() as connection, connection.cursor() as cursor, cursor.begin():
                    await cursor.execute("select counter from aiopg_items where id = 7 for update")
                    (before,) = await cursor.fetchone()
                    await cursor.execute("update aiopg_items set counter = %s where id = 7", (before + 1,))

        await at_once(16, work)
        async with pool.acquire() as connection:
            equal(await value(connection, "select counter from aiopg_items where id = 7"), 16 * 15)


@check("a query that times out closes its connection, and the pool goes on")
async def timeout():
    async with aiopg.create_pool("", minsize=1, maxsize=2, timeout=0.2) as pool:
        for _ in range(3):
            with raises(asyncio.TimeoutError):
                async with pool.acquire() as connection:
                    await run(connection, "select pg_sleep(1)")
            async with pool.acquire() as connection:
                equal(await value(connection, "select 'still here'"), "still here")


@check("a cancel ends the running query, and the connection stays usable")
async def cancel():
    async with aiopg.connect("") as observer, aiopg.connect("") as connection:
        query = asyncio.create_task(run(connection, "select pg_sleep(15)"))
        sleeping = """select count(*) from pg_stat_activity
            where wait_event = 'PgSleep' and query = 'select pg_sleep(15)'"""
        while await value(observer, sleeping) == 0:
            pass
        connection.raw.cancel()
        with raises(asyncio.CancelledError):  # which is what the driver makes of PostgreSQL's error
            await query
        equal(await value(connection, "select 'still here'"), "still here")


@check("statement_timeout of a transaction ends its query, and does not outlive it")
async def statement_timeout():
    async with aiopg.connect("") as connection, connection.cursor() as cursor:
        with raises(asyncio.CancelledError):  # see above
            async with cursor.begin():
                await cursor.execute("set local statement_timeout = '50ms'")
                await cursor.execute("select pg_sleep(15)")
        equal(await rows(connection, "select 'done' from pg_sleep(0.1)"), [("done",)])


@check("notices come to the client whose statement raised them")
async def notices():
    async def work(number):
        async with aiopg.connect("") as connection:
            for _ in range(5):
                await run(connection, f"do $$ begin raise notice 'for client %', {number}; end $$")
            equal(connection.notices, [f"NOTICE:  for client {number}\n"] * 5)

    await at_once(8, work)


@check("fifty connections come and go, some of them in the middle of a transaction")
async def reconnecting():
    for number in range(50):
        async with aiopg.connect("") as connection:
            await run(connection, "begin")
            await run(connection, "update aiopg_items set name = 'lost' where id = 3")
            if number % 2 == 0:
                await run(connection, "rollback")
    async with aiopg.connect("") as connection:
        equal(await value(connection, "select name from aiopg_items where id = 3 for update"), "item 3")


run_checks()

"""What an application does with psycopg 3 (libpq underneath), through the pooler."""
import threading

import psycopg
from psycopg import sql

conninfo = ""  # the environment says where
print("driver psycopg", psycopg.__version__)

with psycopg.connect(conninfo) as connection:
    connection.execute("create table if not exists psycopg_items (id int primary key, name text)")
    connection.execute("truncate psycopg_items")
    with connection.cursor() as cursor:
        cursor.executemany("insert into psycopg_items values (%s, %s)", [(i, f"item {i}") for i in range(500)])
    connection.commit()

    # Prepared after a few uses, and used over many transactions.
    for i in range(20):
        row = connection.execute("select name from psycopg_items where id = %s", (i,), prepare=True).fetchone()
        assert row == (f"item {i}",), row
        connection.commit()

    with connection.transaction(), connection.cursor(name="walk") as cursor:
        cursor.itersize = 50
        cursor.execute("select id from psycopg_items order by id")
        assert [row[0] for row in cursor] == list(range(500))

    with connection.cursor() as cursor, cursor.copy("copy psycopg_items from stdin") as copy:
        for i in range(500, 1500):
            copy.write_row((i, f"item {i}"))
    connection.commit()
    with connection.cursor() as cursor, cursor.copy("copy psycopg_items to stdout") as copy:
        assert sum(1 for _ in copy.rows()) == 1500

    with connection.pipeline():
        answers = [connection.execute("select %s::int", (i,)) for i in range(100)]
        assert [answer.fetchone()[0] for answer in answers] == list(range(100))
    connection.commit()

    try:
        connection.execute("select 1 / 0")
        raise AssertionError("no error")
    except psycopg.errors.DivisionByZero:
        connection.rollback()

    try:
        with connection.transaction():
            connection.execute("insert into psycopg_items values (1, 'twice')")
        raise AssertionError("no error")
    except psycopg.errors.UniqueViolation:
        pass

    threading.Timer(0.2, connection.cancel).start()
    try:
        connection.execute("select pg_sleep(30)")
        raise AssertionError("not cancelled")
    except psycopg.errors.QueryCanceled:
        connection.rollback()

    name = sql.Identifier("psycopg_items")
    assert connection.execute(sql.SQL("select count(*) from {}").format(name)).fetchone() == (1500,)

with psycopg.connect(conninfo, autocommit=True) as connection:
    for i in range(50):
        assert connection.execute("select %s::text", (str(i),)).fetchone() == (str(i),)


def worker(number):
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for i in range(50):
            assert connection.execute("select %s::int * 2", (number * i,)).fetchone() == (number * i * 2,)


threads = [threading.Thread(target=worker, args=(number,)) for number in range(20)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("ok an application with psycopg")

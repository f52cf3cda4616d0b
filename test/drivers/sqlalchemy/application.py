"""What an application does with SQLAlchemy, its ORM and its pools, on psycopg2, psycopg and asyncpg, through the
pooler."""

import asyncio
import contextlib
import datetime
import decimal
import os
import socket
import uuid

import sqlalchemy
from checks import check, equal, in_threads, raises, run_checks
from sqlalchemy import ForeignKey, MetaData, Table, create_engine, exc, func, inspect, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, selectinload
from sqlalchemy.pool import NullPool

print("driver SQLAlchemy", sqlalchemy.__version__)


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "sqlalchemy_authors"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    counter: Mapped[int] = mapped_column(default=0)
    books: Mapped[list["Book"]] = relationship(back_populates="author", cascade="all, delete-orphan")


class Book(Base):
    __tablename__ = "sqlalchemy_books"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    author_id: Mapped[int] = mapped_column(ForeignKey("sqlalchemy_authors.id"))
    author: Mapped[Author] = relationship(back_populates="books")


class Sample(Base):
    __tablename__ = "sqlalchemy_samples"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    amount: Mapped[decimal.Decimal | None] = mapped_column(sqlalchemy.Numeric(40, 10))
    at: Mapped[datetime.datetime | None] = mapped_column(sqlalchemy.DateTime(timezone=True))
    day: Mapped[datetime.date | None]
    length: Mapped[datetime.timedelta | None]
    data: Mapped[bytes | None]
    document: Mapped[dict | None] = mapped_column(postgresql.JSONB(none_as_null=True))
    tags: Mapped[list[str] | None] = mapped_column(postgresql.ARRAY(sqlalchemy.Text))
    remark: Mapped[str | None]


SAMPLE = {
    "amount": decimal.Decimal("-12345678901234567890.0123456789"),
    "at": datetime.datetime(1999, 12, 31, 23, 59, 59, 999999, datetime.timezone.utc),
    "day": datetime.date(2000, 2, 29),
    "length": datetime.timedelta(days=-3, seconds=7, microseconds=11),
    "data": bytes(range(256)) * 20_000,
    "document": {"ü": [1, None, "\u2028"]},
    "tags": ["a,b", '"', "", "{}"],
    "remark": "žluťoučký \N{PILE OF POO} \\ ' \" % :x " * 30_000,
}


def url(driver):
    return f"postgresql+{driver}://"  # libpq's variables say the rest


@contextlib.contextmanager
def engine_of(driver, **options):
    engine = create_engine(url(driver), **options)
    try:
        yield engine
    finally:
        engine.dispose()


@contextlib.asynccontextmanager
async def async_engine(**options):
    engine = create_async_engine(url("asyncpg"), **options)
    try:
        yield engine
    finally:
        await engine.dispose()


def fresh_tables(connection):
    Base.metadata.drop_all(connection)
    Base.metadata.create_all(connection)


with engine_of("psycopg") as setup, setup.begin() as connection:
    fresh_tables(connection)


def with_each_driver(what):
    """A check that is tried with both of the drivers that are not asynchronous."""

    def register(function):
        for driver in ("psycopg2", "psycopg"):
            check(f"{driver}: {what}")(lambda driver=driver: function(driver))
        return function

    return register


@with_each_driver("tables are made anew and reflected")
def reflected(driver):
    with engine_of(driver) as engine:
        with engine.begin() as connection:
            fresh_tables(connection)
        inspector = inspect(engine)
        equal(
            [each["name"] for each in inspector.get_columns("sqlalchemy_books")], ["id", "title", "author_id"]
        )
        equal(inspector.get_foreign_keys("sqlalchemy_books")[0]["referred_table"], "sqlalchemy_authors")
        table = Table("sqlalchemy_authors", MetaData(), autoload_with=engine)
        equal(sorted(table.columns.keys()), ["counter", "id", "name"])


@with_each_driver("a unit of work writes objects and their relations, and reads them again")
def unit_of_work(driver):
    with engine_of(driver) as engine:
        for step in range(5):
            name = f"{driver} {step}"
            with Session(engine) as session:
                session.add(Author(name=name, books=[Book(title=f"{name} book {n}") for n in range(30)]))
                session.commit()
            with Session(engine) as session:
                query = select(Author).where(Author.name == name).options(selectinload(Author.books))
                author = session.scalars(query).one()
                equal(
                    sorted(book.title for book in author.books), sorted(f"{name} book {n}" for n in range(30))
                )
                author.books.pop()
                author.name += " changed"
                session.commit()
                equal((author.name, len(author.books)), (f"{name} changed", 29))
                session.delete(author)
                session.commit()
                equal(session.scalar(select(func.count()).select_from(Book)), 0)


@with_each_driver("a thousand rows are inserted in batches that return their keys")
def batches(driver):
    with engine_of(driver) as engine, Session(engine) as session:
        names = [f"{driver} batch {n}" for n in range(1000)]
        statement = sqlalchemy.insert(Author).returning(Author.id, Author.name, sort_by_parameter_order=True)
        rows = session.execute(statement, [{"name": name} for name in names]).all()
        equal([row.name for row in rows], names)
        equal(len({row.id for row in rows}), 1000)
        session.rollback()
        equal(session.scalar(select(func.count()).select_from(Author)), 0)


@with_each_driver("values of many types come back as they were sent, megabytes and NULLs too")
def types(driver):
    with engine_of(driver) as engine, Session(engine) as session:
        full, empty = uuid.uuid4(), uuid.uuid4()
        session.add_all([Sample(id=full, **SAMPLE), Sample(id=empty)])
        session.commit()
        session.expire_all()
        for name, sent in SAMPLE.items():
            equal((name, getattr(session.get(Sample, full), name)), (name, sent))
            equal((name, getattr(session.get(Sample, empty), name)), (name, None))


@with_each_driver("a unique violation is rolled back to its savepoint, and the rest is committed")
def savepoint(driver):
    with engine_of(driver) as engine, Session(engine) as session:
        name = f"{driver} savepoint"
        session.add(Author(name=name))
        session.flush()
        for _ in range(3):
            with raises(exc.IntegrityError):
                with session.begin_nested():
                    session.add(Author(name=name))
        session.commit()
        equal(session.scalar(select(func.count()).where(Author.name == name)), 1)


@with_each_driver("errors are translated, and the session goes on after its rollback")
def errors(driver):
    with engine_of(driver) as engine, Session(engine) as session:
        for _ in range(3):
            with raises(exc.ProgrammingError):
                session.execute(text("select * from sqlalchemy_missing where id = :id"), {"id": 1})
            with raises(exc.InternalError):  # the transaction has failed
                session.execute(text("select 1"))
            session.rollback()
            with raises(exc.DataError):
                session.execute(text("select 1 / :n"), {"n": 0})
            session.rollback()
            equal(session.scalar(text("select cast(:n as int)"), {"n": 3}), 3)


@with_each_driver("results are streamed from a cursor of the server")
def streamed(driver):
    with engine_of(driver) as engine, engine.connect() as connection:
        statement = text("select n from generate_series(1, 20000) n")
        result = connection.execution_options(stream_results=True, max_row_buffer=100).execute(statement)
        equal(list(result.scalars()), list(range(1, 20_001)))
        with connection.execution_options(yield_per=50).execute(statement) as result:
            equal(result.fetchmany(3), [(1,), (2,), (3,)])
        equal(connection.scalar(text("select 4")), 4)


@with_each_driver("isolation levels hold for the connection that asked for them")
def isolation(driver):
    show = text("show transaction_isolation")
    with engine_of(driver) as engine, engine.connect() as plain:
        for _ in range(3):
            with engine.connect().execution_options(isolation_level="SERIALIZABLE") as strict:
                equal(strict.scalar(show), "serializable")
                equal(plain.scalar(show), "read committed")
                plain.rollback()
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as free:
                free.execute(text("vacuum sqlalchemy_books"))
                equal(free.scalar(show), "read committed")


@with_each_driver("sixteen threads with few connections count up in one row, and no count is lost")
def counter(driver):
    with engine_of(driver, pool_size=6, max_overflow=2, pool_recycle=1) as engine:
        name = f"{driver} counter"
        with Session(engine) as session:
            session.add(Author(name=name))
            session.commit()

        def work(_):
            for _ in range(10):
                with Session(engine) as session:
                    author = session.scalars(
                        select(Author).where(Author.name == name).with_for_update()
                    ).one()
                    author.counter += 1
                    session.commit()

        in_threads(16, work)
        with Session(engine) as session:
            equal(session.scalar(select(Author.counter).where(Author.name == name)), 160)


@with_each_driver("sixteen threads without a pool of their own get their own answers")
def without_pool(driver):
    with engine_of(driver, poolclass=NullPool) as engine:

        def work(number):
            for step in range(5):
                with engine.connect() as connection:
                    sent = {"number": number, "step": step}
                    row = connection.execute(
                        text("select cast(:number as int), cast(:step as int)"), sent
                    ).one()
                    equal(tuple(row), (number, step))

        in_threads(16, work)


@with_each_driver("a connection that broke off while idle is noticed by the ping and replaced")
def pinged(driver):
    with engine_of(driver, pool_pre_ping=True, pool_size=1, max_overflow=0) as engine:
        for n in range(3):
            with engine.connect() as connection:
                equal(connection.scalar(text("select cast(:n as int)"), {"n": n}), n)
                fd = os.dup(connection.connection.driver_connection.fileno())
            with socket.socket(fileno=fd) as broken:
                broken.shutdown(socket.SHUT_RDWR)


@with_each_driver("statement_timeout of a transaction ends its query, and does not outlive it")
def statement_timeout(driver):
    with engine_of(driver, pool_size=1) as engine, engine.connect() as connection:
        connection.execute(text("set local statement_timeout = '50ms'"))
        with raises(exc.OperationalError):
            connection.execute(text("select pg_sleep(15)"))
        connection.rollback()
        equal(connection.scalar(text("select 'done' from pg_sleep(0.1)")), "done")


@check("asyncpg: a unit of work writes objects and their relations, and reads them again")
async def async_unit_of_work():
    async with async_engine() as engine:

        async def work(number):
            name = f"asyncpg {number}"
            async with AsyncSession(engine, expire_on_commit=False) as session:
                session.add(Author(name=name, books=[Book(title=f"{name} book {n}") for n in range(20)]))
                await session.commit()
                query = select(Author).where(Author.name == name).options(selectinload(Author.books))
                author = (await session.scalars(query.execution_options(populate_existing=True))).one()
                titles = sorted(f"{name} book {n}" for n in range(20))
                equal(sorted(book.title for book in author.books), titles)
                await session.delete(author)
                await session.commit()

        await asyncio.gather(*(work(number) for number in range(16)))


@check("asyncpg: values of many types come back as they were sent, megabytes and NULLs too")
async def async_types():
    async with async_engine() as engine, AsyncSession(engine) as session:
        full, empty = uuid.uuid4(), uuid.uuid4()
        session.add_all([Sample(id=full, **SAMPLE), Sample(id=empty)])
        await session.commit()
        for id, expected in ((full, SAMPLE), (empty, dict.fromkeys(SAMPLE))):
            sample = (await session.scalars(select(Sample).where(Sample.id == id))).one()
            for name, value in expected.items():
                equal((name, getattr(sample, name)), (name, value))


@check("asyncpg: errors, savepoints and rollbacks leave the session usable")
async def async_errors():
    async with async_engine() as engine, AsyncSession(engine) as session:
        name = "asyncpg savepoint"
        session.add(Author(name=name))
        await session.flush()
        with raises(exc.IntegrityError):
            async with session.begin_nested():
                session.add(Author(name=name))
        await session.commit()
        for _ in range(3):
            with raises(exc.ProgrammingError):
                await session.execute(text("select * from sqlalchemy_missing"))
            await session.rollback()
            equal(await session.scalar(select(func.count()).where(Author.name == name)), 1)


@check("asyncpg: results are streamed from a cursor of the server")
async def async_streamed():
    async with async_engine() as engine, engine.connect() as connection:
        result = await connection.stream(text("select n from generate_series(1, 20000) n"))
        equal([row.n async for row in result], list(range(1, 20_001)))
        equal(await connection.scalar(text("select 4")), 4)


@check("asyncpg: sixteen tasks count up in one row, with a cache of statements and without")
async def async_counter():
    for size in (100, 0):
        async with async_engine(pool_size=8, connect_args={"prepared_statement_cache_size": size}) as engine:
            name = f"asyncpg counter {size}"
            async with AsyncSession(engine) as session:
                session.add(Author(name=name))
                await session.commit()

            async def work():
                for _ in range(5):
                    async with AsyncSession(engine) as session:
                        await session.execute(
                            update(Author).where(Author.name == name).values(counter=Author.counter + 1)
                        )
                        await session.commit()

            await asyncio.gather(*(work() for _ in range(16)))
            async with AsyncSession(engine) as session:
                equal(await session.scalar(select(Author.counter).where(Author.name == name)), 80)


@check("asyncpg: after a change of a table one transaction may fail, the next one sees the new columns")
async def async_changed_table():
    query = text("select * from sqlalchemy_changing where a = :a").bindparams(a=1)
    async with async_engine(pool_size=1) as engine, async_engine(pool_size=1) as other:
        async with other.begin() as connection:
            await connection.execute(text("drop table if exists sqlalchemy_changing"))
            await connection.execute(text("create table sqlalchemy_changing (a int)"))
            await connection.execute(text("insert into sqlalchemy_changing values (1)"))
        for _ in range(3):
            async with engine.begin() as connection:
                equal((await connection.execute(query)).all(), [(1,)])
        async with other.begin() as connection:
            await connection.execute(text("alter table sqlalchemy_changing add b int default 2"))
        with contextlib.suppress(exc.NotSupportedError):  # cached plan must not change result type
            async with engine.begin() as connection:
                await connection.execute(query)
        for _ in range(3):
            async with engine.begin() as connection:
                equal((await connection.execute(query)).all(), [(1, 2)])


@check("asyncpg: a task that times out ends its query, and the pool goes on")
async def async_timeout():
    async with async_engine(pool_size=1, max_overflow=0, pool_pre_ping=True) as engine:
        for n in range(3):
            with raises(asyncio.TimeoutError):
                async with engine.connect() as connection:
                    await asyncio.wait_for(connection.execute(text("select pg_sleep(15)")), 0.1)
            async with engine.connect() as connection:
                equal(await connection.scalar(select(sqlalchemy.literal(n))), n)


run_checks()

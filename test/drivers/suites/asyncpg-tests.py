"""Runs the tests that asyncpg ships and writes how each ended to a file, as JSON.

    asyncpg-tests.py FOLDER RESULTS POSTGRES_PORT [LEFT_OUT…]

They are those in FOLDER, but for the names LEFT_OUT, and connect as libpq's
variables say. What a test that failed has left behind is dropped past any
pooler, at POSTGRES_PORT.
"""

import asyncio
import json
import os
import re
import signal
import sys
import unittest
from pathlib import Path

import asyncpg
from asyncpg import _testbase, cluster

# For a test with its preparation, or for what clears up after it.
TIMEOUT_S = 15

# asyncpg leaves these out when it has not started the server itself, though
# they need nothing from it but connections.
NOT_SKIPPED = {"TestConnectionLoss", "TestConnectionTerminationListener"}

OWN_DATABASES = {"postgres", "template0", "template1"}


class Hanging(Exception):
    """A test that has not ended in time."""


class Results(unittest.TestResult):
    """How each test ended: `passed`, `failed` or `skipped`, and why."""

    def __init__(self, postgres_port):
        super().__init__()
        self.endings = {}
        self.postgres_port = postgres_port

    def startTest(self, test):
        super().startTest(test)
        self.endings[name_of(test)] = {"ending": "passed", "why": ""}
        # Again and again: what clears up after a test that hangs may hang too.
        signal.setitimer(signal.ITIMER_REAL, TIMEOUT_S, TIMEOUT_S)

    def stopTest(self, test):
        signal.setitimer(signal.ITIMER_REAL, 0)
        if self.endings[name_of(test)]["ending"] == "failed":
            asyncio.run(drop_leftovers(self.postgres_port))
        super().stopTest(test)

    def addError(self, test, err):
        super().addError(test, err)
        self.end(test, "failed", self.errors[-1][1])

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.end(test, "failed", self.failures[-1][1])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.end(test, "failed", self._exc_info_to_string(err, test))

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.end(test, "skipped", reason)

    def end(self, test, ending, why):
        known = self.endings.get(name_of(test))
        if known is None or known["ending"] != "failed":
            self.endings[name_of(test)] = {"ending": ending, "why": why}


async def drop_leftovers(port):
    """Makes the server what it was before the first test."""
    connection = await asyncpg.connect(host="127.0.0.1", port=port, user="postgres", database="postgres")
    await connection.execute(
        "drop schema public cascade; create schema public authorization pg_database_owner;"
        "grant usage on schema public to public"
    )
    for (name,) in await connection.fetch("select datname from pg_database"):
        if name not in OWN_DATABASES:
            await connection.execute(f'drop database "{name}" with (force)')
    for (name,) in await connection.fetch("select rolname from pg_roles where oid >= 16384"):
        await connection.execute(f'drop owned by "{name}" cascade; drop role "{name}"')
    await connection.close()


def name_of(test):
    """MODULE.CLASS.TEST; what runs before and after a whole class is one, too."""
    name = re.sub(r"^(\w+) \((.*)\)$", r"\2.\1", test.id())
    return name.removeprefix("tests.")


def interrupt(_signal, _frame):
    raise Hanging(f"no end after {TIMEOUT_S} s")


def tests_of(suite):
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from tests_of(each)
        else:
            yield each


def is_wanted(test, left_out):
    starts_servers = isinstance(test, _testbase.HotStandbyTestCase)
    return not starts_servers and name_of(test) not in left_out


def main(folder, results_file, postgres_port, *left_out):
    loaded = unittest.defaultTestLoader.discover(folder, top_level_dir=str(Path(folder).parent))
    tests = [test for test in tests_of(loaded) if is_wanted(test, left_out)]
    for test in tests:
        if type(test).__name__ in NOT_SKIPPED:
            type(test).__unittest_skip__ = False
    _testbase._default_cluster = cluster.RunningCluster(
        host=os.environ["PGHOST"], port=int(os.environ["PGPORT"])
    )
    signal.signal(signal.SIGALRM, interrupt)
    results = Results(int(postgres_port))
    unittest.TestSuite(tests).run(results)
    Path(results_file).write_text(json.dumps(results.endings, indent=1))


main(*sys.argv[1:])

"""What the applications in Python have in common: their checks, and the line that is printed for each."""

import asyncio
import contextlib
import inspect
import os
import threading

TIME_LIMIT = 20  # seconds that one check may take

_checks = []


def check(what):
    """Decorates a function or a coroutine function: it is a check, and passes when it ends without an exception."""

    def register(function):
        _checks.append((what, function))
        return function

    return register


def run_checks():
    """Tries all of them in the order in which they stand in the program, and ends the process."""
    for what, function in _checks:
        problem = _problem_of(function)
        print(f"ok {what}" if problem is None else f"not ok {what}: {problem}", flush=True)
    os._exit(0)  # a thread of a check that hangs must not keep the process


def equal(actual, expected):
    if actual != expected:
        raise AssertionError(f"{_short(actual)} instead of {_short(expected)}")


@contextlib.contextmanager
def raises(kind):
    """What stands in the block must raise an exception of this kind; its text is in `text` of what this gives."""
    caught = _Caught()
    try:
        yield caught
    except kind as error:
        caught.text = str(error)
    else:
        raise AssertionError(f"no {kind.__name__}")


def in_threads(count, function):
    """Calls function(number) for each number below count, in as many threads; raises what one of them raised."""
    problems = []

    def attempt(number):
        try:
            function(number)
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=attempt, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]


class _Caught:
    text = ""


def _problem_of(function):
    """Why the check did not pass, or None. It has a thread of its own, so that one that hangs does not stop the rest."""
    problems = []

    def attempt():
        try:
            if inspect.iscoroutinefunction(function):
                asyncio.run(function())
            else:
                function()
        except BaseException as error:
            problems.append(" ".join(f"{type(error).__name__}: {error}".split())[:300])

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(TIME_LIMIT)
    if thread.is_alive():
        return f"no end after {TIME_LIMIT} s"
    return problems[0] if problems else None


def _short(value):
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}… ({len(text)} characters)"

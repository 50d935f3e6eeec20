"""Reads sessions and queries from text files, plain or gzipped: one per line, item ids are whole numbers separated by spaces."""

import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from ray_apps.recommender.sessions import Longs, Queries, Sessions, item_numbers, offsets_of

SESSION = re.compile(r"\d{1,18}(?: +\d{1,18})* *")
QUERY = re.compile(r"(\d{1,18}(?: +\d{1,18})*) *\t *(\d{1,18}) *")


class InputError(ValueError):
    """A file cannot be used; the message names the file, the line and the error."""


def read_sessions(path: Path) -> tuple[Sessions, Longs]:
    """Returns the sessions of a file, oldest first, and the sorted item ids: item number i has the i-th id.

    Raises InputError.
    """
    sessions = []
    for number, line in _lines(path):
        if not SESSION.fullmatch(line):
            raise InputError(f"{path}:{number}: {_short(line)} is not a session: write whole numbers separated by spaces")
        sessions.append(line.split())
    if not sessions:
        raise InputError(f"{path}: contains no session")
    lengths = np.array([len(session) for session in sessions])
    ids, numbers = np.unique(np.array([item for session in sessions for item in session], np.int64), return_inverse=True)
    return Sessions(offsets_of(lengths), numbers.astype(np.int32)), ids


def read_queries(path: Path, ids: Longs) -> Queries:
    """Returns the queries of a file, whose lines are the views so far, a tab and the item viewed next.

    Views of items that are not in `ids` are left out; a label that is not in `ids` becomes -1. Raises InputError.
    """
    views, labels = [], []
    for number, line in _lines(path):
        match = QUERY.fullmatch(line)
        if not match:
            raise InputError(
                f"{path}:{number}: {_short(line)} is not a query: write item ids separated by spaces, a tab and the next item id"
            )
        views.append(match[1].split())
        labels.append(match[2])
    if not views:
        raise InputError(f"{path}: contains no query")
    items = item_numbers(ids, np.array([item for query in views for item in query], np.int64))
    owners = np.repeat(np.arange(len(views)), [len(query) for query in views])[items >= 0]
    offsets = offsets_of(np.bincount(owners, minlength=len(views)))
    label_numbers = item_numbers(ids, np.array(labels, np.int64))
    return Queries(items[items >= 0], offsets[:-1], offsets[1:], label_numbers, np.arange(len(views))).shortened()


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file with their numbers. Raises InputError if the file cannot be read."""
    number = 0
    try:
        with _open(path) as file:
            for number, line in enumerate(file, 1):
                yield number, line.rstrip("\r\n")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: damaged after line {number}: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None


def _open(path: Path) -> IO[str]:
    opener = gzip.open if path.suffix == ".gz" else open
    # Bytes that are not UTF-8 are kept as escapes, so that the error can name the line.
    return opener(path, "rt", encoding="utf-8", errors="backslashreplace", newline="\n")


def _short(line: str) -> str:
    return repr(line if len(line) <= 60 else f"{line[:57]}...")

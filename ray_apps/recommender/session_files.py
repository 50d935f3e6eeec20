"""Sessions and queries from text files, plain or gzipped: item ids are whole numbers divided by blanks, one session a line."""

import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from ray_apps.recommender.sessions import Longs, Queries, Sessions, number, offsets_of, windows

SESSION = re.compile(r"\d{1,18}(?: +\d{1,18})* *")
QUERY = re.compile(r"(\d{1,18}(?: +\d{1,18})*) *\t *(\d{1,18}) *")


class InputError(ValueError):
    """A file cannot be used; the text names it, the line and what is wrong there."""


def read_sessions(path: Path) -> tuple[Sessions, Longs]:
    """The sessions of a file, oldest first, and the ids of the items: number i of the sessions is the i-th id.

    Raises InputError.
    """
    found = []
    for place, line in _lines(path):
        if not SESSION.fullmatch(line):
            raise InputError(f"{path}:{place}: {_short(line)} is no session: write whole numbers divided by blanks")
        found.append(line.split())
    if not found:
        raise InputError(f"{path}: holds no session")
    ids, numbers = np.unique(np.array([one for session in found for one in session], np.int64), return_inverse=True)
    return Sessions(offsets_of(np.array([len(session) for session in found])), numbers.astype(np.int32)), ids


def read_queries(path: Path, ids: Longs) -> Queries:
    """The queries of a file, each line being the views so far, a tab and the view that came next.

    Views of items that are not in `ids` are left out; such an answer gets the label -1. Raises InputError.
    """
    views, answers = [], []
    for place, line in _lines(path):
        match = QUERY.fullmatch(line)
        if not match:
            raise InputError(f"{path}:{place}: {_short(line)} is no query: write item ids divided by blanks, a tab and the next item id")
        views.append(match[1].split())
        answers.append(match[2])
    if not views:
        raise InputError(f"{path}: holds no query")
    seen = number(ids, np.array([one for prefix in views for one in prefix], np.int64))
    owners = np.repeat(np.arange(len(views)), [len(prefix) for prefix in views])[seen >= 0]
    offsets = offsets_of(np.bincount(owners, minlength=len(views)))
    labels = number(ids, np.array(answers, np.int64))
    return windows(seen[seen >= 0], offsets[:-1], offsets[1:], labels, np.arange(len(views)))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file with their numbers."""
    place = 0
    try:
        with _open(path) as file:
            for place, line in enumerate(file, 1):
                yield place, line.rstrip("\r\n")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: damaged after line {place}: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None


def _open(path: Path) -> IO[str]:
    opener = gzip.open if path.suffix == ".gz" else open
    # Bytes that are no UTF-8 survive, so that the line can be named.
    return opener(path, "rt", encoding="utf-8", errors="backslashreplace", newline="\n")


def _short(line: str) -> str:
    return repr(line if len(line) <= 60 else f"{line[:57]}...")

"""Reads the refs that a dump of Nessie's PostgreSQL holds."""

from collections.abc import Iterable
from pathlib import Path

from tools.backup.lake_state import KINDS, Refs
from tools.backup.manifest import BackupError

# `pg_restore --data-only --table refs2 --file nessie-refs.sql nessie.dump` writes it: the refs are exactly those of the dump,
# while main of the running Nessie has moved on. refs2 is the table of the version store JDBC2.
REFS_FILE = "nessie-refs.sql"


def refs(folder: Path) -> Refs:
    """Returns the refs in the folder with the dumps. Raises BackupError if there are none."""
    path = folder / REFS_FILE
    if not path.exists():
        raise BackupError(f"{path} is missing: the container that runs pg_dump on Nessie's database writes it")
    dumped = dict(_rows(path.read_text().splitlines()))
    if not dumped:
        raise BackupError(f"{path} holds no branch and no tag: is it the dump of Nessie's database (version store JDBC2)?")
    return dumped


def _rows(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Yields name and hash of each ref of a COPY statement; the bytes of a hash are written as \\\\x and hexadecimal digits."""
    columns: list[str] = []
    for line in lines:
        if line.startswith("COPY "):
            columns = [name.strip() for name in line.partition("(")[2].partition(")")[0].split(",")]
        elif line == "\\.":
            columns = []
        elif columns:
            row = dict(zip(columns, line.split("\t"), strict=True))
            if row["ref_name"].startswith(tuple(KINDS.values())) and row["deleted"] == "f":
                yield row["ref_name"], row["pointer"].rpartition("x")[2]

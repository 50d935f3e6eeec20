"""The rollout pointer: which model serves which share of the users. It is the newest row of `serving.rollout`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

TABLE = "serving.rollout"
Row = Mapping[str, Any]


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Returns rows of `serving.rollout`, the oldest first.

    Steps are numbered in the order of their commits. The clocks of the machines that take them differ, so the time decides only
    between rows that were written before steps had numbers, which come first.
    """
    return sorted(rows, key=lambda row: (row.get("number") or 0, row["at"]))


@dataclass(frozen=True)
class Pointer:
    """One state of the rollout; '' and 0 stand for "none".

    `stable` and `candidate` are the sha256 of models, `share` is the percent of users who get the candidate.
    `data_tag` and `rule_version` name the data and the fraud rules that the release was made from.
    """

    release: str = ""
    stable: str = ""
    candidate: str = ""
    share: int = 0
    data_tag: str = ""
    rule_version: str = ""

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Returns the pointer that a row of `serving.rollout` holds; a missing or null column counts as none."""
        values = {column.name: row[column.name] for column in fields(cls) if row.get(column.name) is not None}
        return cls(**values)

    @classmethod
    def newest(cls, rows: Sequence[Row]) -> Self:
        """Returns the pointer of the last of these rows (oldest first); an empty pointer if there are none."""
        if not rows:
            return cls()
        return cls.from_row(rows[-1])


def release_of_stable(rows: Sequence[Row]) -> str:
    """Returns the release that the stable model of the last of these rows (oldest first) was released by; '' if there is none.

    While a candidate is rolled out, the pointer's own release is the candidate's.
    """
    stable = Pointer.newest(rows).stable
    for row in reversed(rows):
        pointer = Pointer.from_row(row)
        if stable and pointer.stable == stable and not pointer.candidate:
            return pointer.release
    return ""

"""The rollout pointer: which model serves which share of the users. It is the newest row of `serving.rollout`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self


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
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Returns the pointer that a row of `serving.rollout` holds; a missing or null column counts as none."""
        values = {column.name: row[column.name] for column in fields(cls) if row.get(column.name) is not None}
        return cls(**values)

    @classmethod
    def newest(cls, rows: Sequence[Mapping[str, Any]]) -> Self:
        """Returns the pointer of the last of these rows (oldest first); an empty pointer if there are none."""
        if not rows:
            return cls()
        return cls.from_row(rows[-1])

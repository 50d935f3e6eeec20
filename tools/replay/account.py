"""The account of a run: each line of a file is sent, or rejected with its number and reason, and what could not be read is named."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any

from tools.replay.events import Event, Mapped, Rejected
from tools.replay.gaps import gaps_of
from tools.replay.lines import DamagedFile
from tools.replay.mapping import Mapping


@dataclass
class Account:
    """Counts lines as sent or rejected (lines = sent + rejected), and writes the rejected ones to a CSV file."""

    reject_file: IO[str]
    lines: int = 0
    events: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    gaps: Counter[str] = field(default_factory=Counter)
    first_lines: dict[str, int] = field(default_factory=dict)
    damage: str = ""
    _fields: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._writer = csv.writer(self.reject_file)
        self._writer.writerow(["line_number", "reason", "line"])

    @property
    def rejected(self) -> int:
        return self.reasons.total()

    @property
    def sent(self) -> int:
        """Number of lines whose events are sent."""
        return self.lines - self.rejected

    def events_of(self, results: Iterable[Mapped | Rejected]) -> Iterator[Event]:
        """Yields the events of mapped lines; rejected lines are counted and written to the reject file, a damage of the file is kept."""
        try:
            for result in results:
                self.lines += 1
                if isinstance(result, Rejected):
                    self._reject(result)
                    continue
                self.events += len(result.events)
                for event in result.events:
                    self._fields.update(event)
                    self.gaps.update(gaps_of(event))
                    yield event
        except DamagedFile as damage:
            self.damage = f"{damage}: get the file again; the {self.lines} lines that could be read are in this account"

    def _reject(self, rejected: Rejected) -> None:
        self.reasons[rejected.reason] += 1
        self.first_lines.setdefault(rejected.reason, rejected.line.number)
        self._writer.writerow([rejected.line.number, rejected.message, rejected.line.text])

    def stopped(self, error: BaseException) -> None:
        """Record that the run ended early: lines that were read are not all sent, and the following ones were not read."""
        self.damage = (
            self.damage or f"stopped after {self.lines} lines by {type(error).__name__}: send the file again, no event counts twice"
        )

    def warnings(self, mapping: Mapping) -> list[str]:
        """Returns what a user should look at although lines were sent."""
        unread = [
            f"{rule.name} (from {' or '.join(rule.paths)})" for rule in mapping.fields if rule.paths and rule.name not in self._fields
        ]
        return [f"no line has a value for {', '.join(unread)}"] if self.events and unread else []

    def summary(self, mapping: Mapping) -> dict[str, Any]:
        """Returns the account as a JSON object; `reasons` has the lines of each reason, `gaps` the sent events that lack something."""
        return {
            "lines": self.lines,
            "sent": self.sent,
            "events": self.events,
            "rejected": self.rejected,
            "reasons": dict(self.reasons.most_common()),
            "gaps": dict(self.gaps.most_common()),
            "rejects_file": self.reject_file.name,
            "not_read": self.damage,
            "warnings": self.warnings(mapping),
        }

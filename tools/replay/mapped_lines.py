"""What becomes of a line: its events, or the reason why it has none."""

from dataclasses import dataclass
from typing import Any

from tools.replay.lines import Line

Event = dict[str, Any]


@dataclass(frozen=True)
class Mapped:
    """A line and its events."""

    line: Line
    events: list[Event]


@dataclass(frozen=True)
class Rejected:
    """A line that cannot become an event: the reason without values, and the message with the value."""

    line: Line
    reason: str
    message: str

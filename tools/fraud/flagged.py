"""Who was flagged in a run of the fraud rules, by pattern and entity."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clickstream_contracts.fraud_rules import rules

Json = dict[str, Any]
DECISIONS = ("allow", "review", "block")


@dataclass
class Flagged:
    """An entity that a pattern flagged: the number of its flagged events, and the alerts that the stream would have raised.

    first, last: times of the first and the last flagged event (ms since 1970); reason: that of the first one; score: the highest.
    """

    pattern: str
    entity_type: str
    entity: str
    first: int
    last: int
    reason: str
    score: float
    events: int = 0
    alerts: int = 0

    @property
    def decision(self) -> str:
        return "block" if self.score >= rules().block_from else "review"

    def add(self, event: Json) -> None:
        """Count a flagged event of this entity."""
        self.events += 1
        self.score = max(self.score, event["score"])
        self.last = max(self.last, event["event_time"])
        if event["event_time"] < self.first:
            self.first, self.reason = event["event_time"], event["reason"]


def json_lines(folder: Path) -> Iterator[Json]:
    """Yields the JSON lines of all files below a folder."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open() as file:
                yield from map(json.loads, file)


def flagged_entities(folder: Path, start: int) -> list[Flagged]:
    """Returns the flagged entities in the order of the patterns and of their first event; what is before `start` does not count.

    folder: the results of flink_process.score. An entity whose alert was before `start` may have no alert: it is suppressed.
    """
    entities: dict[tuple[str, str], Flagged] = {}
    for event in json_lines(folder / "flagged"):
        if event["event_time"] >= start:
            entities.setdefault((event["pattern"], event["entity"]), _first(event)).add(event)
    # Two equal events raise two equal alerts.
    for alert in {alert["alert_id"]: alert for alert in json_lines(folder / "alerts")}.values():
        if alert["event_time"] >= start:
            entities[alert["pattern"], alert["entity"]].alerts += 1
    order = [pattern.name for pattern in rules().patterns]
    return sorted(entities.values(), key=lambda entity: (order.index(entity.pattern), entity.first, entity.entity))


def _first(event: Json) -> Flagged:
    time = event["event_time"]
    return Flagged(event["pattern"], event["entity_type"], event["entity"], time, time, event["reason"], event["score"])


def decisions(folder: Path, start: int) -> dict[str, int]:
    """Returns how many payments and sign-ins since `start` got each decision."""
    counts = Counter(score["decision"] for score in json_lines(folder / "scores") if score["event_time"] >= start)
    return {decision: counts[decision] for decision in DECISIONS}

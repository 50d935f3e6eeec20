"""What the fraud rules detect on simulated days of two levels, and what they flag of good customers: a change may not make it worse.

The second implementation of the rules judges the days: test_fraud.py compares it with the job, and it judges a day in seconds.
"""

import json
import subprocess
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clickstream_contracts.fraud_rules import rules
from tests.flink_apps.conftest import REPO
from tests.flink_apps.fraud_cases import NO_FIELDS
from tests.flink_apps.fraud_oracle import flagged_patterns

TOOLS_PYTHON = REPO / ".venvs" / "tools" / "bin" / "python"
SHOP = ("--events", "60000", "--attacks", "10", "--until", "2026-01-05")
# Share of attacks with a flagged event, share of flagged events that belong to an attack, flagged of 1000 good purchases.
LIMITS = {"easy": (0.98, 0.9, 3), "hard": (0.8, 0.8, 3)}
Row = dict[str, Any]


@dataclass(frozen=True)
class Day:
    """A simulated day: by attack its pattern and its event ids; the patterns that flag an event, by event id; all event ids."""

    attacks: dict[str, tuple[str, set[str]]]
    flagged: dict[str, set[str]]
    events: list[Row]

    @property
    def attack_events(self) -> set[str]:
        return {event for pattern, events in self.attacks.values() if not pattern.startswith("lookalike") for event in events}

    def recall(self, pattern: str, without: str = "") -> float:
        """Returns the share of the attacks of a kind with an event that any pattern, or any but one, flags."""
        attacks = [events for kind, events in self.attacks.values() if kind == pattern]
        flagged = {event for event, patterns in self.flagged.items() if patterns - {without}}
        return sum(not flagged.isdisjoint(events) for events in attacks) / len(attacks)


@pytest.fixture(scope="module", params=LIMITS)
def level(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def day(level: str, tmp_path_factory: pytest.TempPathFactory) -> Day:
    folder = tmp_path_factory.mktemp(level)
    command = [str(TOOLS_PYTHON), "-m", "tools.shop", "corpus", "--out", str(folder), *SHOP, "--seed", "1"]
    subprocess.run([*command, *(["--hard"] if level == "hard" else [])], check=True, cwd=REPO)
    events = [NO_FIELDS | row for row in json_lines(folder / "events.json")]
    attacks: dict[str, tuple[str, set[str]]] = defaultdict(lambda: ("", set()))
    for label in json_lines(folder / "labels.jsonl"):
        attacks[label["attack"]] = (label["pattern"], attacks[label["attack"]][1] | {label["event_id"]})
    return Day(dict(attacks), flagged_patterns(events), events)


def json_lines(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_attacks_are_flagged_and_good_purchases_are_not(day: Day, level: str) -> None:
    lowest_recall, lowest_precision, most_false = LIMITS[level]
    patterns = [pattern.name for pattern in rules().patterns]
    recall = {pattern: day.recall(pattern) for pattern in patterns}
    assert {pattern: share for pattern, share in recall.items() if share < lowest_recall} == {}
    good = {event["event_id"] for event in day.events if event["event_type"] == "purchase"} - day.attack_events
    assert len(good) > 500
    assert 1000 * len(good & day.flagged.keys()) / len(good) <= most_false
    assert len(day.attack_events & day.flagged.keys()) / len(day.flagged) >= lowest_precision


def test_no_lookalike_is_flagged(day: Day) -> None:
    lookalikes = [(pattern, events) for pattern, events in day.attacks.values() if pattern.startswith("lookalike")]
    assert len({pattern for pattern, _ in lookalikes}) >= 10
    assert [(pattern, day.flagged[event]) for pattern, events in lookalikes for event in events & day.flagged.keys()] == []


def test_each_pattern_is_needed_for_its_own_attacks(day: Day, level: str) -> None:
    recall = {pattern.name: (day.recall(pattern.name), day.recall(pattern.name, without=pattern.name)) for pattern in rules().patterns}
    assert {name: shares for name, shares in recall.items() if shares[1] >= shares[0]} == {}

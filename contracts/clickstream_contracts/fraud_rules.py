"""Reads rules/fraud.yaml, by which the stream and the night judge: the patterns, their limits, what score a decision begins at."""

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from clickstream_contracts import schema

FILE = Path(__file__).parent / "rules" / "fraud.yaml"
ALL_EVENTS, RISK_EVENTS = "all_events", "risk_events"
NAME = re.compile(r"[a-z][a-z0-9_]*")
REFERENCE = re.compile(r"\{([a-z0-9_.]+)\}")


class RulesError(ValueError):
    """The rules cannot be used; the text names the pattern, the place and the cure."""


@dataclass(frozen=True)
class Part:
    """A score from 0 to 1 and the SQL condition that gives it."""

    score: float
    when: str


@dataclass(frozen=True)
class Pattern:
    """One kind of fraud, as rules/fraud.yaml describes it."""

    name: str
    meaning: str
    scope: str
    entity: str
    window: str
    measures: dict[str, str]
    parts: tuple[Part, ...]
    reason: str
    limits: dict[str, float] = field(default_factory=dict)
    derived: dict[str, str] = field(default_factory=dict)

    def column(self, name: str) -> str:
        """The column that holds one of the pattern's measures."""
        return f"{self.name}_{name}"

    @property
    def columns(self) -> dict[str, str]:
        """The column of each measure, derived ones too."""
        return {name: self.column(name) for name in (*self.measures, *self.derived)}

    @property
    def literals(self) -> dict[str, str]:
        """Each limit as the rules refer to it, e.g. `limit.events`, and as SQL says it."""
        return {f"limit.{name}": f"{value:g}" for name, value in self.limits.items()}

    @property
    def seconds(self) -> int:
        """Length of the window."""
        count, unit = self.window.split()
        return int(count) * {"SECOND": 1, "MINUTE": 60, "HOUR": 3600}[unit]


@dataclass(frozen=True)
class Rules:
    """All patterns, in the order in which they are asked, and the decisions."""

    version: str
    review_from: float
    block_from: float
    alert_suppression_minutes: int
    allowed_lateness_seconds: int
    server_events: tuple[str, ...]
    scored_events: tuple[str, ...]
    browse_events: tuple[str, ...]
    patterns: tuple[Pattern, ...]

    @property
    def longest_seconds(self) -> int:
        """The longest window: how far back a job must read to judge as if it had always run."""
        return max(pattern.seconds for pattern in self.patterns)

    def in_scope(self, scope: str) -> list[Pattern]:
        """Returns the patterns of this scope."""
        return [pattern for pattern in self.patterns if pattern.scope == scope]


def chained(patterns: list[Pattern], source: str) -> list[tuple[Pattern, str]]:
    """Each pattern with what it reads: the first reads `source`, each other one the pattern before it."""
    return list(zip(patterns, [source, *(pattern.name for pattern in patterns)], strict=False))


def last(patterns: list[Pattern], source: str) -> str:
    """What holds the columns of all of a chain's patterns; `source` if there is none."""
    return patterns[-1].name if patterns else source


def refer(text: str, known: dict[str, str]) -> str:
    """`text` with the references that are `known` in place; the others stay."""
    return REFERENCE.sub(lambda match: known.get(match[1], match[0]), text)


@cache
def rules(path: Path = FILE) -> Rules:
    """The rules of a file. Raises RulesError where it cannot be used."""
    return parse(path.read_text(), path.name)


def parse(text: str, where: str) -> Rules:
    """Rules from YAML text. Raises RulesError, naming `where` and the place."""
    try:
        raw = yaml.load(text, schema.LOADER)
        patterns = tuple(_pattern(where, entry) for entry in raw.pop("patterns"))
        values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()}
        found = Rules(**values, patterns=patterns)
    except (yaml.YAMLError, TypeError, KeyError, AttributeError) as error:
        raise RulesError(f"{where}: {error}") from None
    if not 0 < found.review_from <= found.block_from <= 1:
        raise RulesError(f"{where}: 0 < review_from <= block_from <= 1 does not hold")
    for name in ("alert_suppression_minutes", "allowed_lateness_seconds"):
        if not 1 <= getattr(found, name) <= 99:
            raise RulesError(f"{where}: {name} is {getattr(found, name)}; use 1 to 99")
    for name in ("server_events", "scored_events", "browse_events"):
        _check_event_types(f"{where}: {name}", getattr(found, name))
    if twice := sorted({*found.scored_events} & {*found.browse_events}):
        raise RulesError(f"{where}: {twice[0]} is in scored_events and in browse_events: remove it from one of them")
    order = [pattern.scope for pattern in patterns]
    if order != sorted(order, key=(ALL_EVENTS, RISK_EVENTS).index):
        raise RulesError(f"{where}: patterns of scope all_events come first")
    return found


def _check_event_types(at: str, types: object) -> None:
    known = schema.event().field("event_type").choices
    if not types or not isinstance(types, tuple):
        raise RulesError(f"{at} is {types!r}; give a list of event types of click.v1")
    if unknown := [one for one in types if one not in known]:
        raise RulesError(f"{at}: {unknown[0]!r} is no event type of click.v1; use {', '.join(known)}")


def _pattern(where: str, raw: dict[str, Any]) -> Pattern:
    at = f"{where}: {raw.get('name')}"
    pattern = Pattern(**raw | {"parts": tuple(Part(**part) for part in raw["parts"])})
    if not NAME.fullmatch(pattern.name):
        raise RulesError(f"{at}: a name is small letters, digits and _")
    if pattern.scope not in (ALL_EVENTS, RISK_EVENTS):
        raise RulesError(f"{at}: scope {pattern.scope!r}; use '{ALL_EVENTS}' or '{RISK_EVENTS}'")
    if not re.fullmatch(r"[1-9]\d? (SECOND|MINUTE|HOUR)", pattern.window):
        raise RulesError(f"{at}: window {pattern.window!r}; write it like '10 MINUTE': 1 to 99 of SECOND, MINUTE or HOUR")
    if bad := [part.score for part in pattern.parts if not 0 < part.score <= 1]:
        raise RulesError(f"{at}: score {bad[0]}; use more than 0 and at most 1")
    known = {*pattern.measures, *pattern.derived, *(f"limit.{name}" for name in pattern.limits)}
    texts = [*pattern.derived.values(), *(part.when for part in pattern.parts), pattern.reason]
    if unknown := sorted({name for text in texts for name in REFERENCE.findall(text)} - known):
        raise RulesError(f"{at}: {{{unknown[0]}}} is no measure and no limit of it")
    return pattern

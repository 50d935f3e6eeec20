"""Drops the tags of the lake that the policy in tags.yaml does not keep.

A dropped tag is recorded in the bucket first: its files stay until the record is older than the minimum age of collected files.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from tools.common.retention import newest_of_periods
from tools.lake import catalog, nessie
from tools.lake.object_store import read_if_exists, write_text

POLICY = Path(__file__).with_name("tags.yaml")


@dataclass(frozen=True)
class Tag:
    """A tag, its commit and the time of the commit."""

    name: str
    commit: str
    time: datetime

    @property
    def kind_and_day(self) -> tuple[str, date | None]:
        """Returns e.g. ("nightly", 2026-01-02) for nightly_2026-01-02_1a2b3c4d; ("", None) for a name of another form."""
        match = re.match(r"([a-z]+)_(\d{4}-\d\d-\d\d)_", self.name)
        try:
            return (match[1], date.fromisoformat(match[2])) if match else ("", None)
        except ValueError:
            return "", None


@cache
def policy() -> dict[str, Any]:
    """Returns the content of tags.yaml."""
    loaded: dict[str, Any] = yaml.safe_load(POLICY.read_text())
    return loaded


def dropped_by_policy(tags: Iterable[Tag], named: set[str], kinds: Mapping[str, Mapping[str, int]]) -> list[Tag]:
    """Returns the tags to drop, sorted by name. `named`: names of tags that are kept in any case. `kinds`: as in tags.yaml."""
    by_kind: dict[str, list[tuple[date, datetime, Tag]]] = defaultdict(list)
    for tag in tags:
        kind, day = tag.kind_and_day
        if kind in kinds and day:
            by_kind[kind].append((day, tag.time, tag))
    dropped = []
    for kind, members in by_kind.items():
        days = {tag.name: day for day, _, tag in sorted(members, key=lambda member: member[:2])}
        keep = newest_of_periods(days, **kinds[kind]) | named
        dropped += [tag for _, _, tag in members if tag.name not in keep]
    return sorted(dropped, key=lambda tag: tag.name)


def current(settings: Settings) -> list[Tag]:
    """Returns the tags of the lake."""
    return [
        Tag(tag["name"], tag["hash"], datetime.fromisoformat(tag["metadata"]["commitMetaOfHEAD"]["commitTime"]))
        for tag in nessie.references(settings, "TAG", details=True)
    ]


def named_tags(settings: Settings) -> set[str]:
    """Returns the tags that rows of main name: those of models and rollouts."""
    named = set()
    for table, columns in policy()["named_by"].items():
        for column in columns:
            # A value can be a tag with its commit, tag@commit.
            named |= {value.partition("@")[0] for value in _values(settings, table, column)}
    return named


def commits_of_models(settings: Settings) -> set[str]:
    """Returns the commits that models were trained on, which need not have a tag, or the ones that replace them."""
    replaced = replaced_commits(settings)
    return {replaced.get(commit, commit) for commit in _values(settings, "ml.models", "data_commit")} - {""}


def replaced_commits(settings: Settings) -> dict[str, str]:
    """Returns the commits without erased rows that replace others, by these; '' for one that is not kept."""
    replaced: dict[str, str] = json.loads(read_if_exists(settings, names.REPLACED_COMMITS_KEY) or b"{}")
    return replaced


def record_replaced(settings: Settings, replaced: Mapping[str, str]) -> None:
    """Record that commits are replaced by others. Of earlier ones only those that models name are kept; they lead to the newest commit."""
    named = _values(settings, "ml.models", "data_commit")
    record = {old: replaced.get(new, new) for old, new in replaced_commits(settings).items() if old in named} | dict(replaced)
    write_text(settings, f"s3://{settings.s3_bucket}/{names.REPLACED_COMMITS_KEY}", json.dumps(record, indent=1, sort_keys=True))


def _values(settings: Settings, table: str, column: str) -> set[str]:
    rows = catalog.open_catalog(settings).load_table(table).scan(selected_fields=(column,)).to_arrow()
    return {value for value in rows[column].unique().to_pylist() if value}


def drop(settings: Settings, tags: Iterable[Tag]) -> None:
    """Record and drop tags."""
    dropped = list(tags)
    now = datetime.now(UTC).isoformat()
    record = _dropped(settings) | {tag.name: {"commit": tag.commit, "dropped_at": now} for tag in dropped}
    if dropped:
        write_text(settings, f"s3://{settings.s3_bucket}/{names.DROPPED_TAGS_KEY}", json.dumps(record, indent=1, sort_keys=True))
    for tag in dropped:
        nessie.drop(settings, "TAG", tag.name, tag.commit)


def recently_dropped(settings: Settings, since: datetime) -> set[str]:
    """Returns the commits of the tags that were dropped since a time."""
    return {entry["commit"] for entry in _dropped(settings).values() if datetime.fromisoformat(entry["dropped_at"]) >= since}


def _dropped(settings: Settings) -> dict[str, dict[str, str]]:
    record: dict[str, dict[str, str]] = json.loads(read_if_exists(settings, names.DROPPED_TAGS_KEY) or b"{}")
    return record

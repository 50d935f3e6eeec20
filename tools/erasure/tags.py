"""Erasure behind the tags of the lake, by the policy in policy.yaml, and in the commits that models were trained on."""

import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import yaml
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.table import StaticTable

from clickstream_contracts.settings import Settings
from tools.erasure.files import FileEraser
from tools.erasure.identity import erasable_tables
from tools.lake import catalog, nessie
from tools.maintenance import compaction
from tools.maintenance import tags as lake_tags
from tools.maintenance.tags import Tag

POLICY = Path(__file__).with_name("policy.yaml")
KEEP, REWRITE, DROP = "keep", "rewrite", "drop"
# Commits that models were trained on without a tag.
TRAINING_DATA = "features"
# Begins the names of branches on which rows are erased.
BRANCH_PREFIX = "erasure_"


@dataclass(frozen=True)
class TaggedCommit:
    """A commit with rows of the user, its tags, and what becomes of it: keep, rewrite or drop."""

    commit: str
    tags: list[Tag]
    action: str
    tables: dict[str, int] = field(default_factory=dict)


@cache
def policy() -> dict[str, str]:
    """Returns the action by kind of tag, as in policy.yaml."""
    actions: dict[str, str] = yaml.safe_load(POLICY.read_text())["tags"]
    return actions


def with_rows(settings: Settings, eraser: FileEraser, actions: dict[str, str]) -> list[TaggedCommit]:
    """Returns the commits of tags and models that hold rows of the user."""
    by_commit: dict[str, list[Tag]] = defaultdict(list)
    for tag in lake_tags.current(settings):
        by_commit[tag.commit].append(tag)
    for commit in lake_tags.commits_of_models(settings):
        by_commit.setdefault(commit, [])
    commits = []
    for commit, tags in sorted(by_commit.items()):
        rows = rows_at(settings, eraser, commit)
        if rows:
            commits.append(TaggedCommit(commit, tags, action(tags, actions), rows))
    return commits


def action(tags: Iterable[Tag], actions: dict[str, str]) -> str:
    """Returns what becomes of a commit: of the actions of its tags the one that keeps most."""
    kinds = {tag.kind_and_day[0] for tag in tags} or {TRAINING_DATA}
    wanted = {actions.get(kind, actions["other"]) for kind in kinds}
    return next(each for each in (KEEP, REWRITE, DROP) if each in wanted)


def rows_at(settings: Settings, eraser: FileEraser, commit: str) -> dict[str, int]:
    """Returns how many rows of the user each table has at a commit; only tables that have any."""
    counts = {}
    for name, location in nessie.metadata_locations(settings, commit).items():
        if name in erasable_tables():
            table = StaticTable.from_metadata(location, settings.pyiceberg())
            if rows := len(eraser.find(name, table).rows):
                counts[name] = rows
    return counts


def erase(settings: Settings, eraser: FileEraser, commits: Iterable[TaggedCommit]) -> dict[str, str]:
    """Rewrite or drop tags; returns the commits that replace others, '' for those that are dropped."""
    replaced = {}
    for each in commits:
        if each.action == REWRITE:
            replaced[each.commit] = _rewritten(settings, eraser, each)
        elif each.action == DROP:
            lake_tags.drop(settings, each.tags)
            replaced[each.commit] = ""
    if replaced:
        lake_tags.record_replaced(settings, replaced)
    return replaced


def _rewritten(settings: Settings, eraser: FileEraser, tagged: TaggedCommit) -> str:
    """Erase the rows on a branch from the commit and move the tags there; returns the new commit."""
    branch = f"{BRANCH_PREFIX}{uuid.uuid4().hex[:8]}"
    nessie.create_branch(settings, branch, tagged.commit)
    try:
        erase_at(catalog.open_catalog(settings, branch), eraser, tagged.tables)
        commit = nessie.commit_hash(settings, branch)
        for tag in tagged.tags:
            nessie.move_tag(settings, tag.name, tag.commit, commit)
    finally:
        nessie.drop_branch(settings, branch)
    return commit


def erase_at(branch: RestCatalog, eraser: FileEraser, tables: Iterable[str]) -> None:
    """Erase the rows of tables on a branch that nobody else writes."""
    for name in tables:
        table = branch.load_table(name)
        compaction.commit(branch, name, eraser.rewrite(name, table, eraser.find(name, table)))

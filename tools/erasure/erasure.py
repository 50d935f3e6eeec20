"""Erases one user from main and from what its tags name; the steps are in an order in which a killed erasure can be repeated."""

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.table import Table

from clickstream_contracts import names
from clickstream_contracts.schema import tables
from clickstream_contracts.settings import Settings
from tools.erasure import identity, ledger, progress, tags
from tools.erasure.files import ErasureError, FileEraser, UserRows
from tools.lake import catalog, nessie
from tools.lake.object_store import write_text
from tools.ledger import offset_gaps, offset_ranges, topic_recreations
from tools.ledger.topic_recreations import Recreations
from tools.maintenance import compaction, unreferenced_files

CLICKS, QUARANTINE, EVENTS = "raw.clicks", "raw.quarantine", "curated.events"
ATTEMPTS = 5
# Properties of tables: the last erasures that the ledger accounts for, and the time of an erasure, which makes open runs conflict.
ACCOUNTED_PROPERTY = "clickstream.accounted-erasures"
REMEMBERED = 100
ERASED_AT_PROPERTY = "clickstream.erased-at"
Json = dict[str, Any]
Report = Callable[[str], object]


@dataclass
class Plan:
    """What is found of a user: rows and files by table of main, and the commits of tags and models with rows."""

    eraser: FileEraser
    tables: dict[str, UserRows]
    tagged: list[tags.TaggedCommit]
    unfinished: progress.Progress | None

    @property
    def is_empty(self) -> bool:
        changed = [each for each in self.tagged if each.action != tags.KEEP]
        return not (any(user_rows.files for user_rows in self.tables.values()) or changed or self.unfinished)


def plan(settings: Settings, user: str, actions: dict[str, str]) -> Plan:
    """Returns what an erasure of the user would change; reads only."""
    main = catalog.open_catalog(settings)
    eraser = FileEraser(identity.find(main, user))
    user_rows = {name: eraser.find(name, main.load_table(name)) for name in identity.erasable_tables()}
    return Plan(eraser, user_rows, tags.with_rows(settings, eraser, actions), progress.load(settings, user))


def erase(settings: Settings, planned: Plan, now: datetime, *, at_once: bool, report: Report) -> progress.Progress:
    """Erase what was planned, and what has arrived since. With `at_once` the old files are deleted too.

    Tags come first and curated.events last, because the links between the user's ids are found in raw.clicks and curated.events.
    """
    main, user = catalog.open_catalog(settings), planned.eraser.identity.user
    catalog.create_table(main, tables()[ledger.TABLE])
    drop_branches(settings)
    started = planned.unfinished or progress.Progress()
    if started.id in _accounted(main.load_table(ledger.TABLE)):
        started = started.accounted()
    started.tags |= {tag.name: each.action for each in planned.tagged for tag in each.tags}
    progress.save(settings, user, started)
    replaced = tags.erase(settings, planned.eraser, planned.tagged)
    report(f"{len(replaced)} commits behind tags and models were rewritten or dropped")
    for name in (each for each in identity.erasable_tables() if tables()[each].topic):
        _erase_stream_table(settings, planned.eraser, name, started)
    report("the tables of the streams are rewritten")
    _erase_published(settings, planned.eraser, started)
    report(f"the other tables are rewritten in commit {started.commit}")
    if at_once:
        started.deleted = delete_old_files(settings, now)
    return started


def delete_old_files(settings: Settings, now: datetime) -> dict[str, int]:
    """Delete the files of erasable tables that only earlier commits need; returns their number and bytes."""
    unreferenced = unreferenced_files.only_in_history(settings, set(identity.erasable_tables()), now)
    unreferenced_files.delete(settings, unreferenced)
    return {"files": unreferenced.count, "bytes": unreferenced.bytes}


def drop_branches(settings: Settings) -> None:
    """Drop the branches that a killed erasure has left."""
    for branch in nessie.references(settings, "BRANCH"):
        if branch["name"].startswith(tags.BRANCH_PREFIX):
            nessie.drop(settings, "BRANCH", branch["name"], branch["hash"])


def _erase_stream_table(settings: Settings, eraser: FileEraser, name: str, started: progress.Progress) -> None:
    """Erase the rows of a table on main, beside the stream that writes it. The offsets are recorded before the rows are gone.

    Raises ErasureError if others replace its files each time.
    """
    main = catalog.open_catalog(settings)
    recreations = topic_recreations.recorded(main)
    for _ in range(ATTEMPTS):
        table = main.load_table(name)
        user_rows = eraser.find(name, table)
        if not user_rows.files and not _has_deleted_entries(table):
            return
        if name in (CLICKS, QUARANTINE):
            _record_offsets(settings, eraser.identity.user, main, name, user_rows, started, recreations)
        if compaction.commit(main, name, eraser.rewrite(name, table, user_rows)):
            started.count(name, len(user_rows.rows), len(user_rows.files))
            progress.save(settings, eraser.identity.user, started)
    if eraser.find(name, main.load_table(name)).files:
        raise ErasureError(f"{name}: its files were replaced or got new rows of the user {ATTEMPTS} times; repeat the command")


def _record_offsets(
    settings: Settings, user: str, main: RestCatalog, name: str, user_rows: UserRows, started: progress.Progress, recreations: Recreations
) -> None:
    kind = "clicks" if name == CLICKS else "quarantine"
    erased = recreations.ranges(user_rows.rows)
    setattr(started, kind, offset_ranges.union_of_partitions([getattr(started, kind), erased]))
    progress.save(settings, user, started)
    offset_gaps.record(main, erased, offset_gaps.ERASED)


def _erase_published(settings: Settings, eraser: FileEraser, started: progress.Progress) -> None:
    """Erase the rows of all other tables in one commit of main, together with their account in the ledger.

    The commit changes all these tables in any case: a run that has read the rows before and writes one of them conflicts, and runs again.
    """
    for _ in range(ATTEMPTS):
        since, branch = nessie.commit_hash(settings), f"{tags.BRANCH_PREFIX}{uuid.uuid4().hex[:8]}"
        nessie.create_branch(settings, branch, since)
        try:
            erased = _erase_on_branch(settings, branch, eraser, started)
            if nessie.merge(settings, branch, since, f"Erasure of one user by {branch}"):
                for name, user_rows in erased.items():
                    started.count(name, len(user_rows.rows), len(user_rows.files))
                started.days = sorted(_days(erased).union(started.days))
                started.commit = nessie.commit_hash(settings)
                progress.save(settings, eraser.identity.user, started)
                return
        finally:
            nessie.drop_branch(settings, branch)
    raise ErasureError(f"{names.MAIN} got other commits to the same tables {ATTEMPTS} times; repeat the command")


def _erase_on_branch(settings: Settings, branch: str, eraser: FileEraser, started: progress.Progress) -> dict[str, UserRows]:
    """Returns what was erased by table."""
    lake = catalog.open_catalog(settings, branch)
    # A run that has read the rows before conflicts with the tables that it writes; it may not have made its branch yet.
    touched = {ERASED_AT_PROPERTY: datetime.now(UTC).isoformat()}
    erased: dict[str, UserRows] = {}
    for name in (each for each in identity.erasable_tables() if not tables()[each].topic):
        table = lake.load_table(name)
        user_rows = eraser.find(name, table)
        if user_rows.files:
            erased[name] = user_rows
        properties = touched | (_days_property(table, _days(erased)) if name == EVENTS else {})
        compaction.commit(lake, name, eraser.rewrite(name, table, user_rows), properties)
    _account(lake, erased[EVENTS].rows if EVENTS in erased else pa.table({}), started)
    return erased


def _days(erased: Mapping[str, UserRows]) -> set[str]:
    return {day for user_rows in erased.values() for day in user_rows.days()}


def _days_property(events: Table, days: set[str]) -> dict[str, str]:
    """Returns the property with the days that the next nightly run computes again."""
    recorded = {day for day in events.properties.get(names.ERASED_DAYS_PROPERTY, "").split(",") if day}
    return {names.ERASED_DAYS_PROPERTY: ",".join(sorted(recorded | days))} if days else {}


def _account(lake: RestCatalog, events: pa.Table, started: progress.Progress) -> None:
    """Move the erased records to their own column of the ledger."""
    table = lake.load_table(ledger.TABLE)
    rows = table.scan().to_arrow().to_pylist()
    # Offsets of curated.events continue where the topic was created again.
    changed = ledger.without_erased(rows, started.clicks, topic_recreations.NONE.ranges(events), started.quarantine)
    with table.transaction() as transaction:
        transaction.set_properties({ACCOUNTED_PROPERTY: ",".join([*_accounted(table), started.id][-REMEMBERED:])})
        if changed != rows:
            transaction.overwrite(pa.Table.from_pylist(changed, table.schema().as_arrow()))


def _accounted(table: Table) -> list[str]:
    """Returns the last erasures that the ledger accounts for."""
    return [each for each in table.properties.get(ACCOUNTED_PROPERTY, "").split(",") if each]


def _has_deleted_entries(table: Table) -> bool:
    """Returns whether a manifest still names files that were deleted, with the bounds of their columns."""
    snapshot = table.current_snapshot()
    return bool(snapshot and any(manifest.deleted_files_count for manifest in snapshot.manifests(table.io)))


def certificate(settings: Settings, planned: Plan, done: progress.Progress, kafka: Mapping[str, str], reason: str, at_once: bool) -> Json:
    """Returns what was erased, and what remains until when. It names the user by a hash only."""
    counts = {name: len(values) for name, values in planned.eraser.identity.linked.items()}
    return {
        "subject": progress.subject(planned.eraser.identity.user),
        "reason": reason,
        "erased_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "other_ids": counts,
        "tables": done.tables,
        "commit": done.commit,
        "tags": done.tags,
        "days_to_recompute": done.days,
        "deleted_at_once": done.deleted,
        "remaining": _remaining(settings, planned, kafka, at_once),
    }


def save_certificate(settings: Settings, document: Json) -> str:
    """Write a certificate to the bucket and return its address."""
    uri = f"s3://{settings.s3_bucket}/{names.erasure_prefix(document['subject'])}/{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    write_text(settings, uri, json.dumps(document, indent=1))
    return uri


def _remaining(settings: Settings, planned: Plan, kafka: Mapping[str, str], at_once: bool) -> list[dict[str, str]]:
    remaining = [{"what": f"records of the topic {topic}", "until": until} for topic, until in kafka.items()]
    kept = [tag.name for each in planned.tagged if each.action == tags.KEEP for tag in each.tags]
    remaining += [{"what": f"rows behind the tag {tag}", "until": "the tag is dropped"} for tag in kept]
    branches = [each["name"] for each in nessie.references(settings, "BRANCH") if each["name"] != names.MAIN]
    remaining += [{"what": f"rows that the branch {branch} may have", "until": "the branch is dropped"} for branch in branches]
    hours = unreferenced_files.MIN_AGE.total_seconds() / 3600
    files = "files that runs wrote and never published" if at_once else "data files and manifests of before"
    remaining.append({"what": files, "until": f"{names.MAINTENANCE} collects them, when they are {hours:g} hours old"})
    remaining.append({"what": "checkpoints and savepoints of the streams", "until": f"{names.MAINTENANCE} deletes them, after a week"})
    remaining.append({"what": "backups of before", "until": "they are deleted, see docs/backup.md"})
    return remaining

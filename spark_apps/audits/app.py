"""Runs the audits of this folder: SQL queries that return no row if the tables are correct."""

import argparse
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clickstream_contracts import covisitation, currencies, names
from clickstream_contracts.fraud_rules import rules
from clickstream_contracts.receipt import Receipt
from clickstream_contracts.schema import tables
from spark_apps.common import shop_days, waiting_days
from spark_apps.common.cli import AppFailed, ArgumentParser, LakeOpener, argument_parser, error_summary, run_app
from spark_apps.common.days import time_ranges
from spark_apps.common.lake import Lake, open_lake
from spark_apps.marts import app as marts

APP = "audits"
FOLDER = Path(__file__).parent
SAMPLE_ROWS = 5
RECENT_DAYS = 8
USUAL_WEEKS = 4
# Their partitions that differ from the published ones are audited; the other daily marts are written as a whole by each run.
DAILY_TABLES = {
    "curated.events": "event_day",
    "curated.sessions": "session_day",
    "curated.orders": "order_day",
    "curated.order_lines": "line_day",
    **dict.fromkeys(marts.DAILY, "day"),
}
# The newest day of a lake without any run: no table has rows of it.
FIRST_DAY = date(1970, 1, 1)
SEVERITIES = ("error", "warn")


@dataclass(frozen=True)
class Audit:
    """One audit: `name` is that of a rule in the contracts, `meaning` says what a returned row means."""

    name: str
    severity: str
    meaning: str
    owner: str
    path: Path


@dataclass(frozen=True)
class AuditResult:
    """The number of rows that an audit returned, with some of them; `error` if its query failed."""

    audit: Audit
    rows: int
    sample: tuple[dict[str, str], ...] = ()
    error: str = ""

    @property
    def failed(self) -> bool:
        # An audit whose query fails has proved nothing, so it fails the run even with severity warn.
        return bool(self.error) or (self.rows > 0 and self.audit.severity == "error")


def read_audit(path: Path) -> Audit:
    """Read an audit from its file. Raises ValueError if a header line is missing."""
    header = dict(re.findall(r"^-- (severity|meaning|owner): (.+)$", path.read_text(), re.M))
    missing = [key for key in ("severity", "meaning", "owner") if key not in header]
    if missing or header["severity"] not in SEVERITIES:
        raise ValueError(f"{path.name}: needs the header lines severity ({' or '.join(SEVERITIES)}), meaning and owner")
    return Audit(path.stem, header["severity"], header["meaning"], header["owner"], path)


def select_audits(folder: Path = FOLDER, namespaces: Sequence[str] = ()) -> list[Audit]:
    """Returns the audits of the tables of the namespaces, of all tables without any. Raises ValueError if there is none."""
    # Excluded are the rules of other namespaces' contracts: an audit that no contract names runs for every namespace.
    excluded: set[str] = set()
    for contract in tables().values():
        if namespaces and contract.namespace not in namespaces:
            excluded |= {rule.name for rule in contract.rules}
    audits = [read_audit(path) for path in sorted(folder.glob("*.sql")) if path.stem not in excluded]
    if not audits:
        scope = f" for {', '.join(namespaces)}" if namespaces else ""
        raise ValueError(f"no audits in {folder}{scope}: add an .sql file, or name other namespaces")
    return audits


def namespaces(text: str) -> list[str]:
    """Parse namespaces of the contracts, separated by commas."""
    all_namespaces = sorted({contract.namespace for contract in tables().values()})
    if unknown := sorted(set(text.split(",")) - set(all_namespaces)):
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not a namespace: use some of {','.join(all_namespaces)}")
    return text.split(",")


def newest_run(lake: Lake, default: date) -> tuple[date, int]:
    """Returns the newest day of a run in the ledger, and the lowest start of the partitions' newest offset ranges.

    Without any run these are `default` and 0.
    """
    ledger = lake.table("curated.ingest_ledger")
    newest = ledger.groupBy("kafka_partition").agg(F.max("day").alias("day"), F.max("start_offset").alias("start"))
    [row] = newest.agg(F.max("day").alias("day"), F.min("start").alias("lowest_start")).collect()
    return row["day"] or default, row["lowest_start"] or 0


def run_audit(lake: Lake, audit: Audit, values: Mapping[str, Any] | None = None) -> AuditResult:
    """Run one audit on the run's branch. `values` are those of the audits' templates, None to audit all days."""
    try:
        rows = lake.sql(audit.path, **(values or template_values(*newest_run(lake, FIRST_DAY))))
        sample = rows.limit(SAMPLE_ROWS + 1).collect()
        count = len(sample) if len(sample) <= SAMPLE_ROWS else rows.count()
    except Exception as error:
        return AuditResult(audit, 0, error=error_summary(error))
    return AuditResult(audit, count, tuple({key: str(value) for key, value in row.asDict().items()} for row in sample[:SAMPLE_ROWS]))


def changed_days(lake: Lake) -> list[date]:
    """Returns the days whose partitions have other files than the published ones, from Iceberg's metadata."""
    frames = [
        files.select("file_path", F.col("partition").getField(column).alias("day"), F.lit(side).alias("side"))
        for table, column in DAILY_TABLES.items()
        for files, side in zip(lake.files(table), (1, -1), strict=True)
    ]
    changed_files = reduce(DataFrame.unionAll, frames).groupBy("file_path", "day").agg(F.sum("side").alias("side")).where("side <> 0")
    return sorted(row["day"] for row in changed_files.select("day").distinct().collect())


def full_values(lake: Lake, default_day: date) -> dict[str, Any]:
    """Returns the values of templates that audit all days."""
    return template_values(*newest_run(lake, default_day)) | {"waiting_days": waiting_days.of_branch(lake)}


def values_of_changes(lake: Lake, default_day: date) -> dict[str, Any]:
    """Returns the values of templates that audit the days that the run has changed."""
    days = changed_days(lake)
    return full_values(lake, default_day) | {
        "changed_days": days,
        "changed_and_next_days": sorted({day + timedelta(days=n) for day in days for n in (0, 1)}),
        "changed_ranges": time_ranges(days, lake.time_zone),
        "days_of_changed_weeks": sorted({day - timedelta(days=day.weekday() - n) for day in days for n in range(7)}),
    }


def template_values(day: date, lowest_start: int) -> dict[str, Any]:
    """Returns the values of the audits' templates.

    day: the newest day of a run, `newest_day` in the templates. Audits that compare single rows read the days from
    `recent_since` on, those of usual numbers the `same_weekdays` of the weeks before.
    lowest_start: no record of the newest run has a lower Kafka offset. Iceberg skips the files of earlier runs with this constant.
    The values None of the changed days are for an audit of all days.
    """
    return {
        "changed_days": None,
        "changed_and_next_days": None,
        "changed_ranges": None,
        "days_of_changed_weeks": None,
        "waiting_days": [],
        "newest_day": day,
        "lowest_start": lowest_start,
        "recent_since": day - timedelta(days=RECENT_DAYS - 1),
        "same_weekdays": [day - timedelta(weeks=weeks) for weeks in range(1, USUAL_WEEKS + 1)],
        "click_columns": [field.name for field in tables()["raw.clicks"].fields if field.name != "currency"],
        "unknown_session": names.UNKNOWN_SESSION,
        "max_rate_age": currencies.MAX_RATE_AGE_DAYS,
        "neighbours": covisitation.item_neighbours(),
        "scored_events": list(rules().scored_events),
    }


def compute(lake: Lake, args: argparse.Namespace, folder: Path = FOLDER) -> Receipt:
    """Run the audits, four at a time. Raises AppFailed if one fails."""
    shop_days.require_same_zone(lake, args, APP)
    values = full_values(lake, args.day) if args.full else values_of_changes(lake, args.day)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda audit: run_audit(lake, audit, values), select_audits(folder, args.namespaces)))
    failures = [result for result in results if result.failed]
    receipt = Receipt(
        app=APP,
        run=args.run,
        inputs={"ref": args.ref},
        facts={
            "full": args.full,
            "audits": [_audit_fact(result) for result in results],
            "failures": [_failure_fact(result) for result in failures],
        },
        error="; ".join(_failure_text(result) for result in failures),
    )
    if failures:
        raise AppFailed(receipt)
    return receipt


def _audit_fact(result: AuditResult) -> dict[str, Any]:
    """Returns the result of an audit; with the details that explain it, if the audit returned rows or its query failed."""
    fact = {"name": result.audit.name, "severity": result.audit.severity, "rows": result.rows}
    if not result.rows and not result.error:
        return fact
    details = {"meaning": result.audit.meaning, "owner": result.audit.owner, "sample": list(result.sample), "error": result.error}
    return fact | details


def _failure_fact(result: AuditResult) -> dict[str, Any]:
    return {"name": result.audit.name, "meaning": result.error or result.audit.meaning, "sample": list(result.sample)}


def _failure_text(result: AuditResult) -> str:
    return f"{result.audit.name}: {result.error or f'{result.rows} rows: {result.audit.meaning}'}"


def arguments() -> ArgumentParser:
    """Returns the argument parser of this app."""
    parser = argument_parser(APP, __doc__ or "")
    parser.add_argument("--full", action="store_true", help="audit all days, not only those that the run has changed")
    parser.add_argument("--namespaces", type=namespaces, default=[], help="run only the audits of their tables; separated by commas")
    return parser


def main(argv: list[str], opener: LakeOpener = open_lake) -> int:
    """Run the app with its command line arguments; returns the exit code."""
    return run_app(APP, arguments(), compute, argv, opener)

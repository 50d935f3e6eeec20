"""Maintain the lake. Without --apply a command only prints what it would do.

All commands are safe beside running streams, a nightly run and a reader of a kept tag.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from clickstream_contracts.receipt import Receipt
from clickstream_contracts.settings import Settings
from tools.common.command import UsageError, current_settings, new_app, report_errors, run_app
from tools.common.receipt_option import OptionalReceiptUri, run_name
from tools.kafka import topics
from tools.kafka.client import SendError
from tools.lake import catalog, nessie
from tools.lake.object_store import write_text
from tools.maintenance import compaction, retention, stream_state, unreferenced_files
from tools.maintenance import tags as lake_tags

app = new_app(__doc__)
HOUR = timedelta(hours=1)
Apply = Annotated[bool, typer.Option("--apply", help="Do it. Without this option nothing is changed.")]
MinAge = Annotated[int, typer.Option("--min-age-hours", help="Only what is older than so many hours.")]


@app.command()
@report_errors(nessie.NessieUnreachable, compaction.CompactionError)
def compact(
    apply: Apply = False,
    table: Annotated[list[str] | None, typer.Option(help="Only this table; may be repeated. Default: all that streams write.")] = None,
    receipt: OptionalReceiptUri = "",
) -> None:
    """Rewrite the small files of closed arrival hours and days into few, sorted by Kafka partition and offset."""
    settings, started = current_settings(), time.monotonic()
    unknown = set(table or ()) - set(compaction.stream_tables())
    if unknown:
        raise UsageError(f"{', '.join(sorted(unknown))}: no stream writes it; use one of {', '.join(compaction.stream_tables())}")
    main, facts, rows = catalog.open_catalog(settings), {}, {}
    for name in table or compaction.stream_tables():
        result = compaction.compact(main, name, datetime.now(UTC), apply=apply)
        facts[name], rows[name] = vars(result), result.rows
        typer.echo(
            f"{name}: {_done(apply, 'rewrote')} {result.files} files with {result.rows:,} rows and {result.bytes:,} bytes"
            f" into {result.new_files}, {result.commits} commits"
        )
    _write_receipt(settings, receipt, "compact", started, {"applied": apply, "tables": facts}, rows)


@app.command("retention")
@report_errors(nessie.NessieUnreachable, retention.NotPublished)
def delete_expired(apply: Apply = False, receipt: OptionalReceiptUri = "") -> None:
    """Delete the rows of the tables that streams write which are older than the contract of the table says."""
    settings, started = current_settings(), time.monotonic()
    main, now = catalog.open_catalog(settings), datetime.now(UTC)
    expired = {name: retention.find(main, name, now) for name in retention.tables()}
    for name, each in expired.items():
        counts = f"{len(each.files)} files with {each.rows:,} rows and {each.bytes:,} bytes"
        typer.echo(f"{name}: {_done(apply, 'deleted')} {counts}, of before {each.before:%Y-%m-%d}")
    if apply:
        retention.apply(main, expired)
    facts = {name: {"before": each.before.isoformat(), "files": len(each.files), "bytes": each.bytes} for name, each in expired.items()}
    rows = {name: each.rows for name, each in expired.items()}
    _write_receipt(settings, receipt, "retention", started, {"applied": apply, "tables": facts}, rows)


@app.command()
@report_errors(nessie.NessieUnreachable)
def tags(apply: Apply = False, receipt: OptionalReceiptUri = "") -> None:
    """Drop the tags that the policy (tools/maintenance/tags.yaml) does not keep; tags that models and rollouts name are kept."""
    settings, started = current_settings(), time.monotonic()
    existing = lake_tags.current(settings)
    dropped = lake_tags.dropped_by_policy(existing, lake_tags.named_tags(settings), lake_tags.policy()["kinds"])
    for tag in dropped:
        typer.echo(f"{_done(apply, 'dropped')} {tag.name} at {tag.commit}")
    if apply:
        lake_tags.drop(settings, dropped)
    typer.echo(f"{len(existing) - len(dropped)} of {len(existing)} tags are kept")
    facts = {"applied": apply, "tags": len(existing), "dropped": {tag.name: tag.commit for tag in dropped}}
    _write_receipt(settings, receipt, "tags", started, facts)


@app.command()
@report_errors(nessie.NessieUnreachable)
def collect(apply: Apply = False, min_age_hours: MinAge = int(unreferenced_files.MIN_AGE / HOUR), receipt: OptionalReceiptUri = "") -> None:
    """Delete the files of tables that no branch, tag, recent commit of main or model needs."""
    settings, started = current_settings(), time.monotonic()
    least = int(unreferenced_files.LEAST_MIN_AGE / HOUR)
    if apply and min_age_hours < least:
        raise UsageError(f"--min-age-hours {min_age_hours}: use at least {least}: younger files may be about to be committed or read")
    unreferenced = unreferenced_files.find(settings, datetime.now(UTC), min_age_hours * HOUR)
    for folder, sizes in unreferenced.files.items():
        typer.echo(f"{folder}: {len(sizes)} files, {sum(sizes.values()):,} bytes")
    if apply:
        unreferenced_files.delete(settings, unreferenced)
    counts = f"{unreferenced.count} files with {unreferenced.bytes:,} bytes, of {unreferenced.compared}"
    typer.echo(f"{_done(apply, 'deleted')} {counts} files older than {min_age_hours} hours")
    facts: dict[str, Any] = {"applied": apply, "compared": unreferenced.compared}
    facts |= {"files": unreferenced.count, "bytes": unreferenced.bytes, "tables": unreferenced.facts()}
    _write_receipt(settings, receipt, "collect", started, facts)


@app.command("stream-state")
@report_errors()
def clean_stream_state(
    apply: Apply = False, min_age_hours: MinAge = int(stream_state.MIN_AGE / HOUR), receipt: OptionalReceiptUri = ""
) -> None:
    """Delete checkpoints and savepoints of the streams that no job uses and none will be started from."""
    settings, started = current_settings(), time.monotonic()
    if apply and min_age_hours < 1:
        raise UsageError(f"--min-age-hours {min_age_hours}: use at least 1")
    folders = stream_state.find(settings, datetime.now(UTC), min_age_hours * HOUR)
    facts = {}
    for folder, files in folders.items():
        facts[folder] = {"files": len(files), "bytes": sum(file.size for file in files)}
        typer.echo(f"{folder}: {len(files)} files, {facts[folder]['bytes']:,} bytes")
    if apply:
        stream_state.delete(settings, folders)
    typer.echo(f"{_done(apply, 'deleted')} {len(folders)} folders of checkpoints and savepoints")
    _write_receipt(settings, receipt, "stream_state", started, {"applied": apply, "folders": facts})


@app.command()
@report_errors(SendError)
def kafka(receipt: OptionalReceiptUri = "") -> None:
    """Print after how many hours Kafka deletes the records of each topic; exit code 1 if one is shorter than the project expects."""
    settings, started = current_settings(), time.monotonic()
    retention = topics.retention_ms(settings)
    for topic, milliseconds in sorted(retention.items()):
        typer.echo(f"{topic}: {'never' if milliseconds < 0 else f'{milliseconds / topics.HOUR_MS:g} hours'}")
    problems = topics.too_short_retention(retention)
    _write_receipt(settings, receipt, "kafka", started, {"retention_ms": retention}, error="; ".join(problems))
    for problem in problems:
        typer.echo(f"error: {problem}", err=True)
    raise typer.Exit(1 if problems else 0)


def _done(apply: bool, verb: str) -> str:
    return verb if apply else f"would have {verb}"


def _write_receipt(
    settings: Settings, uri: str, step: str, started: float, facts: dict[str, Any], rows: dict[str, int] | None = None, error: str = ""
) -> None:
    if uri:
        seconds = round(time.monotonic() - started, 1)
        document = Receipt(app=f"maintenance_{step}", run=run_name(uri), rows=rows or {}, facts=facts, error=error, seconds=seconds)
        write_text(settings, uri, document.to_json())


if __name__ == "__main__":
    run_app(app)

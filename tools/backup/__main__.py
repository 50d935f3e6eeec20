"""Backups of the lake and of Airflow's metadata: `./clickstream backup`. `./clickstream restore` restores one."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer
from confluent_kafka import KafkaException

from tools.backup import kafka_offsets, lake_backup, lake_state, manifest, postgres, retention, storage
from tools.backup.manifest import BackupError, Manifest
from tools.backup.restore import BackupId, report_state
from tools.common.command import current_settings, new_app, report_errors, run_app
from tools.kafka.client import SendError
from tools.lake.nessie import NessieUnreachable

app = new_app("Back up the lake and Airflow's metadata, list backups, and compare the lake with one.")
Dumps = Annotated[
    Path | None,
    typer.Option(help="Folder with the dumps of PostgreSQL, on a cluster. By default those of the local stack are made.", file_okay=False),
]


@app.command()
@report_errors(BackupError, NessieUnreachable, RuntimeError)
def create(dumps: Dumps = None) -> None:
    """Write a backup and delete those that are not kept any more. Whatever runs in the local stack is stopped meanwhile."""
    written = _of_local_stack() if dumps is None else _of_dumps(dumps)
    tables = sum(len(rows) for rows in written.rows.values())
    typer.echo(
        f"backup {written.id}: {len(written.refs)} refs, {tables} tables at them, {written.object_count:,} objects with"
        f" {written.object_bytes:,} bytes, {written.copied_bytes:,} of them copied now"
    )
    settings = current_settings()
    deleted = retention.prune(storage.open_storage(settings), settings.backup_keep_daily, settings.backup_keep_weekly)
    typer.echo(f"deleted by retention: {', '.join(deleted) or 'none'}")


def _of_dumps(folder: Path) -> Manifest:
    settings = current_settings()
    files = [file for file in sorted(folder.glob("*.dump")) if file.is_file()]
    return lake_backup.create(settings, storage.open_storage(settings), files, postgres.refs(folder), lake_backup.ProgressLine("copied"))


def _of_local_stack() -> Manifest:
    from tools.backup import local_stack

    stack = local_stack.started_stack()
    target = storage.open_storage(stack.settings)
    with tempfile.TemporaryDirectory() as folder, local_stack.writers_stopped(stack, local_stack.LAKE, restart_after_error=True):
        refs = lake_state.current_refs(stack.settings)
        files = local_stack.dump(stack, Path(folder))
        return lake_backup.create(stack.settings, target, files, refs, lake_backup.ProgressLine("copied"))


@app.command(name="list")
@report_errors(BackupError)
def list_backups() -> None:
    """Print the complete backups, the oldest first."""
    target = storage.open_storage(current_settings())
    for backup in manifest.complete_ids(target):
        entry = manifest.load(target, backup)
        typer.echo(f"{entry.id}  {len(entry.refs):5} refs  {entry.object_count:9,} objects  {entry.object_bytes:16,} bytes")


@app.command()
@report_errors(BackupError, NessieUnreachable)
def verify(backup: BackupId = manifest.NEWEST) -> None:
    """Compare the lake with a backup; exit code 1 if a ref, a table's rows or a file differs.

    Meant for a lake that was just restored: nothing has been written since.
    """
    settings = current_settings()
    entry = manifest.load(storage.open_storage(settings), backup)
    lake_backup.verify(settings, entry)
    report_state(settings, entry)


@app.command(name="lift-offsets")
@report_errors(SendError, KafkaException, NessieUnreachable)
def lift_offsets() -> None:
    """After Kafka's volume was lost: lift the offsets of the new, empty topics to those that the lake holds. May be repeated.

    Run it before the streams and the shop start: otherwise new events repeat the offsets of old ones.
    """
    settings = current_settings()
    for topic, ends in sorted(lake_state.end_offsets(settings).items()):
        lifted = kafka_offsets.lift(settings, topic, ends)
        typer.echo(f"{topic}: {', '.join(f'partition {p} lifted to {ends[p]:,}' for p in sorted(lifted)) or 'nothing to lift'}")


if __name__ == "__main__":
    run_app(app)

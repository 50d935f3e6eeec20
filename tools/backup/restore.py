"""Restores the lake and Airflow's metadata from a backup. What was written since the backup is lost."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from clickstream_contracts.settings import Settings
from tools.backup import lake_backup, lake_state, manifest, storage
from tools.backup.manifest import BackupError, Manifest
from tools.common.command import UsageError, current_settings, new_app, report_errors, run_app
from tools.lake.nessie import NessieUnreachable

app = new_app(__doc__)
BackupId = Annotated[str, typer.Argument(help="A backup that `backup list` prints, or `newest`.")]
Dumps = Annotated[
    Path | None,
    typer.Option(
        help="On a cluster: copy the objects back and write the databases' dumps into this folder, for pg_restore.",
        exists=True,
        file_okay=False,
    ),
]


@app.command()
@report_errors(BackupError, NessieUnreachable, RuntimeError)
def restore(
    backup: BackupId = manifest.NEWEST,
    yes: Annotated[bool, typer.Option("--yes", help="Replace the lake and Airflow's metadata without asking.")] = False,
    dumps: Dumps = None,
) -> None:
    """Replace the lake and Airflow's metadata by those of a backup, and compare them with it. May be repeated.

    Whatever runs in the local stack is stopped meanwhile.
    """
    if not yes:
        raise UsageError("what was written since the backup is lost by a restore: confirm by --yes")
    if dumps is None:
        _into_local_stack(backup)
        return
    settings = current_settings()
    _fetch(settings, backup, dumps)


def _fetch(settings: Settings, backup: str, folder: Path) -> Manifest:
    """Copy the objects back, and the dumps into a folder."""
    source = storage.open_storage(settings)
    entry = manifest.load(source, backup)
    typer.echo(f"restoring backup {entry.id}: {entry.object_count:,} objects, {', '.join(sorted(entry.dumps))}")
    manifest.fetch_dumps(source, entry, folder)
    lake_backup.restore_objects(settings, source, entry, lake_backup.ProgressLine("restored"))
    return entry


def _into_local_stack(backup: str) -> None:
    from tools.backup import local_stack

    stack = local_stack.new_or_started_stack()
    manifest.load(storage.open_storage(stack.settings), backup)
    with tempfile.TemporaryDirectory() as folder, local_stack.writers_stopped(stack, local_stack.STORE, restart_after_error=False):
        entry = _fetch(stack.settings, backup, Path(folder))
        local_stack.load(stack, Path(folder))
        lake_backup.verify(stack.settings, entry)
        report_state(stack.settings, entry)


def report_state(settings: Settings, entry: Manifest) -> None:
    """Print that the lake equals a backup, and the Kafka offsets at which the streams go on."""
    tables = sum(len(rows) for rows in entry.rows.values())
    typer.echo(f"the lake equals backup {entry.id}: {len(entry.refs)} refs, {tables} row counts, all files exist")
    for topic, ends in sorted(lake_state.end_offsets(settings).items()):
        positions = ", ".join(f"partition {partition}: {end:,}" for partition, end in sorted(ends.items()))
        typer.echo(f"the lake holds {topic} up to {positions or 'nothing'}; the stream that writes it goes on from there")


if __name__ == "__main__":
    run_app(app)

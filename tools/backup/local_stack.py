"""The databases of the local stack: Nessie's RocksDB folder and Airflow's SQLite file, copied while nothing writes to them."""

import contextlib
import shutil
import sqlite3
import tarfile
from collections.abc import Iterator
from pathlib import Path

from clickstream_contracts.settings import Settings, SettingsError
from tools.common.command import current_settings, stack_file
from tools.localstack import components, layout, start, stop, supervisord
from tools.localstack.layout import Stack

NESSIE_DUMP, AIRFLOW_DUMP = "nessie-rocksdb.tar", "airflow.db"
STORE = ("s3", "bucket")
LAKE = (*STORE, "nessie")


def started_stack() -> Stack:
    """Returns the stack that was started last. Raises SettingsError if none was."""
    if not stack_file(Settings.from_env()).exists():
        raise SettingsError(f"no local stack was started in {Settings.from_env().stack_dir}: there is nothing to back up")
    return Stack(current_settings())


def new_or_started_stack() -> Stack:
    """Returns the stack that was started last, or else a new one with the settings of the environment."""
    if stack_file(Settings.from_env()).exists():
        return started_stack()
    stack = Stack(layout.resolve(Settings.from_env()))
    layout.save(stack)
    return stack


@contextlib.contextmanager
def writers_stopped(stack: Stack, needed: tuple[str, ...], restart_after_error: bool) -> Iterator[None]:
    """Within the block the units in `needed` run, and besides them at most S3 and Nessie. Afterwards runs what ran before.

    After an error in the block everything is left stopped unless `restart_after_error`: nothing may write to half a lake.
    """
    units, ran = components.units(stack), _running(stack)
    _stop(stack, [name for name in ran if name not in LAKE])
    should_run = restart_after_error
    try:
        start.bring_up(stack, units, [unit for unit in units if unit.name in needed])
        yield
        should_run = True
    finally:
        if ran and should_run:
            start.bring_up(stack, units, components.select(units, ",".join(ran)))
        else:
            stop.take_down(stack, components.components(stack))


def _running(stack: Stack) -> list[str]:
    return [name for name, info in supervisord.states(stack).items() if info["statename"] in start.ALIVE_STATES]


def _stop(stack: Stack, names: list[str]) -> None:
    """Stop components, those first on which no other depends."""
    for group in stop.stop_order(components.components(stack)):
        for component in group:
            if component.name in names:
                supervisord.client(stack).stopProcess(component.name)


@contextlib.contextmanager
def _nessie_stopped(stack: Stack) -> Iterator[Path]:
    """Within the block Nessie is stopped, and afterwards it runs; yields the folder of its version store."""
    _stop(stack, [name for name in _running(stack) if name == "nessie"])
    yield stack.folder("nessie") / "rocksdb"
    units = components.units(stack)
    start.bring_up(stack, units, [unit for unit in units if unit.name == "nessie"])


def dump(stack: Stack, folder: Path) -> list[Path]:
    """Write the databases' files into `folder`, and return them. Airflow's is missing if Airflow never ran."""
    with _nessie_stopped(stack) as store, tarfile.open(folder / NESSIE_DUMP, "w") as archive:
        archive.add(store, "rocksdb")
    files, database = [folder / NESSIE_DUMP], _airflow_database(stack)
    if database.exists():
        _copy_sqlite(database, folder / AIRFLOW_DUMP)
        files.append(folder / AIRFLOW_DUMP)
    return files


def load(stack: Stack, folder: Path) -> None:
    """Replace the databases by the files in `folder`. Raises SettingsError if they are not of a local stack."""
    if not (folder / NESSIE_DUMP).exists():
        raise SettingsError("this backup is of a cluster, whose Nessie runs on PostgreSQL: restore it with scripts/restore.sh")
    with _nessie_stopped(stack) as store:
        shutil.rmtree(store, ignore_errors=True)
        with tarfile.open(folder / NESSIE_DUMP) as archive:
            archive.extractall(store.parent, filter="data")
    if (folder / AIRFLOW_DUMP).exists():
        stack.folder("airflow")
        _copy_sqlite(folder / AIRFLOW_DUMP, _airflow_database(stack))


def _airflow_database(stack: Stack) -> Path:
    return stack.dir / "airflow" / "airflow.db"


def _copy_sqlite(source: Path, target: Path) -> None:
    """Copy a database by SQLite's backup interface, which includes what is still in its write-ahead log."""
    with contextlib.closing(sqlite3.connect(source)) as reader, contextlib.closing(sqlite3.connect(target)) as writer:
        reader.backup(writer)

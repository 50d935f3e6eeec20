"""Send a user's own event file to Kafka: CSV, JSON lines or Parquet, with a mapping in YAML."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Annotated, Any

import pyarrow as pa
import typer
from rich.console import Console

from clickstream_contracts import names
from clickstream_contracts.event_limits import EventLimits
from clickstream_contracts.settings import Settings
from tools.common.command import UsageError, current_settings, new_app, report_errors, run_app
from tools.kafka import producer
from tools.kafka.client import SendError, require_topic
from tools.lake import master_data, master_data_files
from tools.ledger.journal import Journal
from tools.replay import mapping as mappings
from tools.replay import sending, sources
from tools.replay.account import Account
from tools.replay.events import Products, derive_sessions, map_lines
from tools.replay.lines import until_damage
from tools.replay.mapping import Mapping
from tools.replay.order_lines import Orders

app = new_app(__doc__)
# Where a dry run writes rejected lines, in the folder of the stack: it has no ledger.
DRY_RUN_FOLDER = "replay-dry-run"


class IncompleteFile(RuntimeError):
    """A part of the file was not read, or no line of it could be sent; the text says why. The rest was sent."""


@dataclass
class Run:
    """One replay: its file and mapping, and what it has read so far."""

    file: Path
    mapping: Mapping
    limits: EventLimits
    account: Account
    products: Products = field(default_factory=Products)
    orders: Orders = field(default_factory=Orders)

    def send(self, sender: sending.Sender) -> None:
        """Send the events of the file. Raises SendError, after the account counts all lines that were read."""
        with Console(stderr=True).status(f"reading {self.file.name}") as status:
            sessions = derive_sessions(self._lines(), self.mapping, self.limits) if self.mapping.derives_sessions else None
            results = map_lines(self._lines(), self.mapping, sessions, self.products, self.orders, self.limits)
            try:
                sending.send(self.account.events_of(results), sender, lambda: status.update(self._progress(sender)))
            except BaseException as error:
                self.account.stopped(error)
                raise

    def _lines(self) -> Iterator[sources.Line]:
        return sources.read(self.file, self.mapping.reading)

    def _progress(self, sender: sending.Sender) -> str:
        return f"{self.account.lines:,} lines read, {self.account.rejected:,} rejected, {sender.acknowledged:,} acknowledged"

    def summary(self) -> dict[str, Any]:
        return self.account.summary(self.mapping) | {"repeated_order_lines": self.orders.repeats}

    def require_complete(self) -> None:
        """Raises IncompleteFile if the file was not read to its end, or if all its lines were rejected."""
        if self.account.damage:
            raise IncompleteFile(self.account.damage)
        if not self.account.sent:
            raise IncompleteFile(f"{self.file}: no line can be sent: see the reasons above, and correct the mapping or the file")


@app.command()
@report_errors(SendError, IncompleteFile)
def replay(
    file: Annotated[Path, typer.Option(help="CSV, JSON lines or Parquet; the first two may be gzipped.", exists=True, dir_okay=False)],
    mapping: Annotated[str, typer.Option(help="Name of a bundled mapping (docs/replay.md lists them), or the path of your own.")],
    users: Annotated[Path | None, typer.Option(help="File of users, loaded as master data.", exists=True, dir_okay=False)] = None,
    products: Annotated[Path | None, typer.Option(help="File of products, loaded as master data.", exists=True, dir_okay=False)] = None,
    master_data_mapping: Annotated[str, typer.Option(help="Mapping of the columns of the users and products files.")] = "",
    rejects: Annotated[Path | None, typer.Option(help="File for rejected lines; default: beside the run's ledger.")] = None,
    with_master_data: Annotated[bool, typer.Option("--master-data/--no-master-data", help="Write master data to the lake.")] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read the file and print the account, send and write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Send a file. The same file again sends the same event_ids, of which the nightly run keeps one each."""
    settings, rules = current_settings(), mappings.load(mapping)
    _require_data_of_mapping(file, rules)
    # The files of users and products are read first: an error in them stops the command before anything is sent.
    paths = {table: path for table, path in ((master_data.USERS, users), (master_data.PRODUCTS, products)) if path}
    master_rules = mappings.load_any(master_data_mapping) if master_data_mapping else None
    states_by_table = {table: master_data_files.read(path, table, master_rules) for table, path in paths.items()}
    name = names.slug(f"replay_{file.name}_{rules.name}")
    open_outputs = _dry_outputs if dry_run else _outputs
    metadata = {"command": "replay", "file": str(file.resolve()), "mapping": mapping}
    with open_outputs(settings, name, metadata, rejects) as (sender, reject_file):
        run = Run(file, rules, EventLimits.at(int(time.time() * 1000), settings), Account(reject_file))
        results: dict[str, Any] = {}
        started = time.monotonic()
        # The account is printed whatever happens.
        try:
            run.send(sender)
            if with_master_data and not dry_run:
                results = _append_master_data(settings, states_by_table, run.products)
        finally:
            counts = {"acknowledged": sender.acknowledged, **results, "seconds": round(time.monotonic() - started, 1)}
            _print_summary({"run": name, "dry_run": dry_run, **run.summary(), **counts}, run.account, as_json)
    run.require_complete()


def _require_data_of_mapping(file: Path, rules: Mapping) -> None:
    """Raises UsageError if the file lacks a column or a list that the mapping needs."""
    columns = sources.columns(file, rules.reading, rules.has_columns)
    rules.require_columns(columns, str(file))
    rules.require_lists(until_damage(sources.read(file, rules.reading)), str(file))


@contextmanager
def _outputs(settings: Settings, name: str, metadata: dict[str, Any], rejects: Path | None) -> Iterator[tuple[sending.Sender, IO[str]]]:
    """Opens the connection to Kafka, the run's ledger and the reject file."""
    require_topic(settings)
    with Journal(settings, name, metadata) as journal, _open_reject_file(rejects or journal.path / "rejects.csv") as reject_file:
        yield producer.Sender(settings, journal), reject_file


@contextmanager
def _dry_outputs(settings: Settings, name: str, metadata: dict[str, Any], rejects: Path | None) -> Iterator[tuple[sending.Sender, IO[str]]]:
    """Opens the reject file only."""
    folder = Path(settings.stack_dir) / DRY_RUN_FOLDER
    if rejects is None:
        folder.mkdir(parents=True, exist_ok=True)
    with _open_reject_file(rejects or folder / f"{name}.rejects.csv") as reject_file:
        yield sending.NoSender(), reject_file


def _open_reject_file(path: Path) -> IO[str]:
    """Open for writing; bytes that are not UTF-8 are written unchanged."""
    try:
        return open(path, "w", newline="", encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise UsageError(f"--rejects {path}: cannot be written: {error.strerror}") from None


def _append_master_data(settings: Settings, states_by_table: dict[str, pa.Table], products: Products) -> dict[str, int]:
    """Append the states of the users and products files; without a products file those of the events."""
    if products.states:
        states_by_table.setdefault(master_data.PRODUCTS, products.table())
    return {f"new_states_of_{table}": master_data.append(settings, table, states) for table, states in states_by_table.items()}


def _print_summary(summary: dict[str, Any], account: Account, as_json: bool) -> None:
    typer.echo(json.dumps(summary, indent=1) if as_json else "\n".join(_summary_lines(summary, account)))


def _summary_lines(summary: dict[str, Any], account: Account) -> Iterator[str]:
    """Yields the summary as a person reads it: each reason and warning on a line of its own, nothing that is empty."""
    for name, value in summary.items():
        if name == "reasons":
            yield from (f"  {count:,} x {reason} (first: line {account.first_lines[reason]})" for reason, count in value.items())
        elif name == "gaps":
            yield from (f"  {count:,} events {gap}" for gap, count in value.items())
        elif name == "warnings":
            yield from (f"warning: {warning}" for warning in value)
        elif value != "" and value is not False:
            yield f"{name}: {value}"


if __name__ == "__main__":
    run_app(app)

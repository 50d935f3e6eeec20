"""Send a user's own event file to Kafka: CSV, JSON lines or Parquet, with a mapping in YAML."""

import csv
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from typing import IO, Annotated, Any

import orjson
import pyarrow as pa
import typer
from rich.console import Console

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from tools.common.command import UsageError, current_settings, new_app, report_errors, run_app
from tools.kafka.client import SendError, require_topic
from tools.kafka.producer import Records, Sender
from tools.lake import master_data
from tools.ledger.journal import Journal
from tools.ledger.record_kinds import REPLAYED
from tools.replay import mapping as mappings
from tools.replay import sources
from tools.replay.events import Event, Mapped, Products, Rejected, derive_sessions, map_lines

app = new_app(__doc__)
BATCH = 5_000


@dataclass
class LineCounts:
    """Counts lines as sent or rejected (lines = sent + rejected), and writes the rejected ones to a CSV file."""

    reject_file: IO[str]
    lines: int = 0
    events: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._writer = csv.writer(self.reject_file)
        self._writer.writerow(["line_number", "reason", "line"])

    def events_of(self, results: Iterator[Mapped | Rejected]) -> Iterator[Event]:
        """Yields the events of mapped lines; rejected lines are counted and written to the reject file."""
        for result in results:
            self.lines += 1
            if isinstance(result, Rejected):
                self.reasons[result.reason] += 1
                self._writer.writerow([result.line.number, result.message, result.line.text])
                continue
            self.events += len(result.events)
            yield from result.events

    def summary(self) -> dict[str, Any]:
        rejected = self.reasons.total()
        return {
            "lines": self.lines,
            "sent": self.lines - rejected,
            "events": self.events,
            "rejected": rejected,
            "reasons": dict(self.reasons.most_common()),
            "rejects_file": self.reject_file.name,
        }


@app.command()
@report_errors(SendError)
def replay(
    file: Annotated[Path, typer.Option(help="CSV, JSON lines or Parquet; the first two may be gzipped.", exists=True, dir_okay=False)],
    mapping: Annotated[str, typer.Option(help="rees46, jsonlog, ga4, or the path of your own mapping.")],
    users: Annotated[Path | None, typer.Option(help="CSV of users, loaded as master data.", exists=True, dir_okay=False)] = None,
    products: Annotated[Path | None, typer.Option(help="CSV of products, loaded as master data.", exists=True, dir_okay=False)] = None,
    rejects: Annotated[Path | None, typer.Option(help="File for rejected lines; default: beside the run's ledger.")] = None,
    with_master_data: Annotated[bool, typer.Option("--master-data/--no-master-data", help="Write master data to the lake.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Send a file. The same file again sends the same event_ids, of which the nightly run keeps one each."""
    settings, rules = current_settings(), mappings.load(mapping)
    rules.require_columns(sources.columns(file), str(file))
    # The CSV files are read first: an error in them stops the command before anything is sent.
    paths = {table: path for table, path in ((master_data.USERS, users), (master_data.PRODUCTS, products)) if path}
    states_by_table = {table: master_data.read_csv(path, table) for table, path in paths.items()}
    require_topic(settings)
    run, started, event_products = names.slug(f"replay_{file.name}_{rules.name}"), time.monotonic(), Products()
    metadata = {"command": "replay", "file": str(file.resolve()), "mapping": mapping}
    with Journal(settings, run, metadata) as journal, _open_reject_file(rejects or journal.path / "rejects.csv") as reject_file:
        counts = LineCounts(reject_file)
        _send(file, rules, Sender(settings, journal), counts, event_products)
    if event_products.states:
        states_by_table.setdefault(master_data.PRODUCTS, event_products.table())
    new_states = _append_master_data(settings, states_by_table) if with_master_data else {}
    _print_summary({"run": run, **counts.summary(), **new_states, "seconds": round(time.monotonic() - started, 1)}, as_json)


def _open_reject_file(path: Path) -> IO[str]:
    """Open for writing; bytes that are not UTF-8 are written unchanged."""
    try:
        return open(path, "w", newline="", encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise UsageError(f"--rejects {path}: cannot be written: {error.strerror}") from None


def _send(file: Path, rules: mappings.Mapping, sender: Sender, counts: LineCounts, products: Products) -> None:
    with Console(stderr=True).status(f"reading {file.name}") as status:
        sessions = derive_sessions(sources.read(file), rules) if rules.derives_sessions else None
        events = counts.events_of(map_lines(sources.read(file), rules, sessions, products))
        numbers = count()
        for batch in _batches(events):
            sender.send(_records(batch), [next(numbers) for _ in batch])
            status.update(f"{counts.lines:,} lines read, {counts.reasons.total():,} rejected, {sender.acknowledged:,} acknowledged")
        sender.flush()


def _batches(events: Iterator[Event]) -> Iterator[list[Event]]:
    while batch := list(islice(events, BATCH)):
        yield batch


def _records(batch: list[Event]) -> Records:
    return Records(
        [event["event_id"] for event in batch],
        [REPLAYED] * len(batch),
        [event["session_id"].encode() for event in batch],
        [orjson.dumps(event) for event in batch],
    )


def _append_master_data(settings: Settings, states_by_table: dict[str, pa.Table]) -> dict[str, int]:
    return {f"new_states_of_{table}": master_data.append(settings, table, states) for table, states in states_by_table.items()}


def _print_summary(summary: dict[str, Any], as_json: bool) -> None:
    typer.echo(json.dumps(summary, indent=1) if as_json else "\n".join(f"{name}: {value}" for name, value in summary.items()))


if __name__ == "__main__":
    run_app(app)

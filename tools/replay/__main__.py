"""Send an event file of one's own through the shop's door: CSV, JSON lines or Parquet, with a mapping in YAML."""

import csv
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import IO, Annotated, Any

import orjson
import typer
from rich.console import Console

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from tools.common.command import UsageError, current_settings, report_errors, run_app
from tools.kafka.producer import Records, Sender, SendError, require_topic
from tools.lake import master_data
from tools.ledger.journal import Journal
from tools.ledger.record_kinds import REPLAYED
from tools.replay import mapping as mappings
from tools.replay import sources
from tools.replay.events import Event, Mapped, Products, Rejected, derive_sessions, map_lines

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False, rich_markup_mode=None, add_completion=False)
BATCH = 5_000


@dataclass
class Account:
    """Where the lines went; lines = sent + rejected."""

    rejects: IO[str]
    lines: int = 0
    events: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._writer = csv.writer(self.rejects)
        self._writer.writerow(["line_number", "reason", "line"])

    def accepted(self, found: Iterator[Mapped | Rejected]) -> Iterator[Event]:
        """The events of the lines that have some; the others go to the reject file."""
        for one in found:
            self.lines += 1
            if isinstance(one, Rejected):
                self.reasons[one.reason] += 1
                self._writer.writerow([one.line.number, one.text, one.line.text])
                continue
            self.events += len(one.events)
            yield from one.events

    def facts(self) -> dict[str, Any]:
        rejected = self.reasons.total()
        return {
            "lines": self.lines,
            "sent": self.lines - rejected,
            "events": self.events,
            "rejected": rejected,
            "reasons": dict(self.reasons.most_common()),
            "rejects_file": self.rejects.name,
        }


@app.command()
@report_errors(SendError)
def replay(
    file: Annotated[Path, typer.Option(help="CSV, JSON lines or Parquet; the first two may be gzipped.", exists=True, dir_okay=False)],
    mapping: Annotated[str, typer.Option(help="rees46, jsonlog, ga4, or the path of a mapping of your own.")],
    users: Annotated[Path | None, typer.Option(help="CSV of users, loaded as master data.", exists=True, dir_okay=False)] = None,
    products: Annotated[Path | None, typer.Option(help="CSV of products, loaded as master data.", exists=True, dir_okay=False)] = None,
    rejects: Annotated[Path | None, typer.Option(help="Where rejected lines go; default: beside the run's ledger.")] = None,
    with_master_data: Annotated[bool, typer.Option("--master-data/--no-master-data", help="Write master data to the lake.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Send a file. The same file again sends the same event_ids, which the lake's nightly keeps once."""
    settings, rules = current_settings(), mappings.load(mapping)
    rules.require_columns(sources.columns(file), str(file))
    files = {table: path for table, path in ((master_data.USERS, users), (master_data.PRODUCTS, products)) if path}
    states = {table: master_data.read_csv(path, table) for table, path in files.items()}
    require_topic(settings)
    run, started, told = names.slug(f"replay_{file.name}_{rules.name}"), time.monotonic(), Products()
    about = {"command": "replay", "file": str(file.resolve()), "mapping": mapping}
    with Journal(settings, run, about) as journal, _reject_file(rejects or journal.path / "rejects.csv") as rejected:
        account = Account(rejected)
        _send(file, rules, Sender(settings, journal), account, told)
    if told.states:
        states.setdefault(master_data.PRODUCTS, told.table())
    landed = _land(settings, states) if with_master_data else {}
    _report({"run": run, **account.facts(), **landed, "seconds": round(time.monotonic() - started, 1)}, as_json)


def _reject_file(path: Path) -> IO[str]:
    """Open for writing; bytes that are no UTF-8 are written as they were read."""
    try:
        return open(path, "w", newline="", encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise UsageError(f"--rejects {path}: {error.strerror}") from None


def _send(file: Path, rules: mappings.Mapping, sender: Sender, account: Account, told: Products) -> None:
    with Console(stderr=True).status(f"reading {file.name}") as status:
        sessions = derive_sessions(sources.read(file), rules) if rules.derives_sessions else None
        events = account.accepted(map_lines(sources.read(file), rules, sessions, told))
        numbers = count()
        for batch in _batches(events):
            sender.send(_records(batch), [next(numbers) for _ in batch])
            status.update(f"{account.lines:,} lines read, {account.reasons.total():,} rejected, {sender.acknowledged:,} acknowledged")
        sender.flush()


def _batches(events: Iterator[Event]) -> Iterator[list[Event]]:
    while batch := [event for _, event in zip(range(BATCH), events, strict=False)]:
        yield batch


def _records(batch: list[Event]) -> Records:
    return Records(
        [event["event_id"] for event in batch],
        [REPLAYED] * len(batch),
        [event["session_id"].encode() for event in batch],
        [orjson.dumps(event) for event in batch],
    )


def _land(settings: Settings, states: dict[str, Any]) -> dict[str, int]:
    return {f"new_states_of_{table}": master_data.append(settings, table, rows) for table, rows in states.items()}


def _report(summary: dict[str, Any], as_json: bool) -> None:
    typer.echo(json.dumps(summary, indent=1) if as_json else "\n".join(f"{name}: {value}" for name, value in summary.items()))


if __name__ == "__main__":
    run_app(app)

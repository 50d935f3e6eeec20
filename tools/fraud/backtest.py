"""Run the fraud rules over past events, from a file or from days of the lake, and print who would have been flagged."""

import json
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from clickstream_contracts.fraud_rules import rules
from clickstream_contracts.settings import Settings
from clickstream_contracts.time_zones import time_zone
from tools.common.command import FAILURE, UsageError, current_settings, new_app, report_errors, run_app
from tools.fraud import flink_process
from tools.fraud.event_store import Content, EventStore
from tools.fraud.flagged import Flagged, decisions, flagged_entities, json_lines
from tools.fraud.flink_process import FlinkError
from tools.fraud.past_events import Days, Event, FileEvents, lake_events, open_file, parse_days

app = new_app(__doc__)
# Entities of a pattern that are printed.
LIMIT = 20
WIDTH = 160
QUARTER_HOUR_MS = 900_000
Json = dict[str, Any]


class IncompleteError(RuntimeError):
    """The job did not score all events that it was given; the text has the numbers."""


@dataclass(frozen=True)
class Backtest:
    """What the rules say about past events. start: the first moment that counts, in ms since 1970; decisions: payments and sign-ins."""

    start: int
    content: Content
    flagged: list[Flagged]
    decisions: dict[str, int]


@app.command()
@report_errors(FlinkError, IncompleteError)
def backtest(
    source: Annotated[
        str, typer.Argument(metavar="FILE|DAYS", help="A file that `replay` reads, or days of the lake: 2026-01-01..2026-01-07.")
    ],
    mapping: Annotated[str, typer.Option(help="Mapping of the file, as for `replay`: a bundled one like jsonlog, or your own .yaml.")] = "",
    limit: Annotated[int, typer.Option(min=0, help="Entities to print per pattern; 0 for all.")] = LIMIT,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Judge past events by their own time: nothing is late, and the end of the data ends every pattern.

    Exit code 0: all events were judged, whether anyone was flagged or not. 1: they were not, or a part of the file could not be read.
    2: wrong arguments, or there is no event.
    """
    started = time.monotonic()
    with _working_folder(current_settings()) as folder, open(os.devnull, "w") as no_reject_file:
        events, days = _events_of(source, mapping, no_reject_file)
        result = _run(events, days, folder)
    summary = _summary(source, events, days, result) | {"seconds": round(time.monotonic() - started, 1)}
    if as_json:
        typer.echo(json.dumps(summary | {"flagged": [_flagged_json(entity) for entity in result.flagged]}, indent=1))
    else:
        _show(summary, result, limit)
    if isinstance(events, FileEvents) and events.account.damage:
        typer.echo(f"error: {events.account.damage}", err=True)
        raise typer.Exit(FAILURE)


@contextmanager
def _working_folder(settings: Settings) -> Iterator[Path]:
    """A folder in that of the stack, so that a killed run leaves nothing that `make clean` does not remove; deleted at the end."""
    parent = Path(settings.stack_dir)
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fraud-backtest-", dir=parent) as folder:
        yield Path(folder).resolve()


def _events_of(source: str, mapping: str, reject_file: IO[str]) -> tuple[Iterable[Event], Days | None]:
    """Returns the events of a file, or those of days of the lake and the days. Raises UsageError."""
    path = Path(source)
    days = None if path.exists() else parse_days(source, time_zone(current_settings().time_zone))
    if days is not None:
        if mapping:
            raise UsageError(f"--mapping {mapping}: is for a file, and {days} are days of the lake: leave it out")
        return lake_events(current_settings(), days), days
    if not path.is_file():
        raise UsageError(f"{source}: no such file, and no days of the lake: give a file, or days like 2026-01-01..2026-01-07")
    if not mapping:
        raise UsageError(f"{source}: --mapping is missing: give the mapping of the file, as for `./clickstream replay`")
    return open_file(path, mapping, current_settings(), reject_file), None


def _run(events: Iterable[Event], days: Days | None, folder: Path) -> Backtest:
    """Sort the events by time, score them, and return what the rules say. Raises UsageError if there is no event."""
    ordered = folder / "events.json"
    # In the lake an event that was sent twice is there twice. In a file each line counts, as each record does in the stream.
    with _progress() as show, EventStore(folder / "events.sqlite", each_once=days is not None) as store:
        show("reading events")
        store.add(events, lambda count: show(f"reading events: {count:,}"))
        start = days.start_ms if days else None
        content = store.content(start)
        if not content.events:
            raise UsageError(_no_events(events, days))
        show(f"sorting {content.events:,} events by time")
        store.write(ordered)
    (folder / "events.sqlite").unlink()
    with _progress() as show:
        show("starting Flink")
        flink_process.score(ordered, folder, lambda count: show(f"judging events: {count:,} of {content.events:,} read"))
    result = Backtest(start or content.first, content, flagged_entities(folder, start or 0), decisions(folder, start or 0))
    _require_complete(result, sum(1 for _ in json_lines(folder / "late")))
    return result


def _no_events(events: Iterable[Event], days: Days | None) -> str:
    if isinstance(events, FileEvents):
        reasons = "; ".join(f"{count:,} x {reason}" for reason, count in events.account.reasons.most_common(3))
        return f"{events.path}: no line is an event by the mapping {events.mapping.name}: {events.account.damage or reasons}"
    return f"{days}: the lake has no event of these days in raw.clicks; `./clickstream lake smoke-test` prints what it holds"


def _require_complete(result: Backtest, late: int) -> None:
    """Raises IncompleteError if a payment or sign-in has no score, or was late, which a file in order of time cannot be."""
    scored = sum(result.decisions.values())
    if scored != result.content.scored or late:
        raise IncompleteError(
            f"the job scored {scored:,} of {result.content.scored:,} payments and sign-ins, and {late:,} were late;"
            " some events violate the contract click.v1 of this version"
        )


@contextmanager
def _progress() -> Iterator[Any]:
    """Shows one line on stderr that changes; without a terminal, nothing."""
    with Console(stderr=True).status("") as status:
        yield status.update


def _summary(source: str, events: Iterable[Event], days: Days | None, result: Backtest) -> Json:
    """Returns all numbers, without the flagged entities."""
    content = result.content
    numbers: Json = {
        "source": source,
        "rule_version": rules().version,
        "events": content.events,
        "repeated_events": content.repeated,
        "first_event": _iso(content.first),
        "last_event": _iso(content.last),
        "payments_and_sign_ins": result.decisions,
        "patterns": {pattern.name: _pattern_numbers(pattern.name, pattern.entity, result) for pattern in rules().patterns},
    }
    if isinstance(events, FileEvents):
        numbers["file"] = events.summary()
    if days is not None:
        numbers["days_without_events"] = _days_without_events(days, content.quarter_hours)
    return numbers


def _pattern_numbers(pattern: str, entity: str, result: Backtest) -> Json:
    flagged = [row for row in result.flagged if row.pattern == pattern]
    return {
        "entity": entity,
        "events_with_entity": result.content.with_entity[entity],
        "flagged": len(flagged),
        "flagged_events": sum(row.events for row in flagged),
        "alerts": sum(row.alerts for row in flagged),
    }


def _days_without_events(days: Days, quarter_hours: frozenset[int]) -> list[str]:
    # In every time zone a day begins with a quarter of an hour of UTC.
    with_events = {days.day_of(number * QUARTER_HOUR_MS) for number in quarter_hours}
    return [str(day) for day in days.all() if day not in with_events]


def _flagged_json(entity: Flagged) -> Json:
    return asdict(entity) | {"first": _iso(entity.first), "last": _iso(entity.last), "decision": entity.decision}


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _show(summary: Json, result: Backtest, limit: int) -> None:
    """Print a table for each pattern that flagged somebody, and the summary."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    for pattern in rules().patterns:
        flagged = [row for row in result.flagged if row.pattern == pattern.name]
        if flagged:
            console.print(_table(pattern.name, pattern.meaning, flagged[: limit or None]))
        if limit and len(flagged) > limit:
            console.print(f"and {len(flagged) - limit:,} more: --limit 0 or --json shows all", style="dim")
    for line in _summary_lines(summary):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _table(pattern: str, meaning: str, flagged: list[Flagged]) -> Table:
    columns = [flagged[0].entity_type, "decision", "first flagged", "last flagged", "events", "alerts", "reason (first)"]
    table = Table(*(Column(column, overflow="fold") for column in columns), title=f"{pattern}: {meaning}", title_justify="left")
    for row in flagged:
        cells = (row.entity, row.decision, _iso(row.first), _iso(row.last), f"{row.events:,}", f"{row.alerts:,}", row.reason)
        # As Text: an id may hold square brackets, which rich would read as markup.
        table.add_row(*map(Text, cells))
    return table


def _summary_lines(summary: Json) -> Iterator[str]:
    """Yields the summary in sentences."""
    span = f"from {summary['first_event']} to {summary['last_event']}"
    yield f"{summary['events']:,} events {span} judged by the rules, version {summary['rule_version']}"
    if "file" in summary:
        file = summary["file"]
        yield f"lines of the file: {file['lines']:,}, of which rejected: {file['rejected']:,}"
        yield from (f"  {count:,} x {reason}" for reason, count in file["reasons"].items())
        yield from (f"warning: {warning}" for warning in file["warnings"])
        if summary["repeated_events"]:
            yield f"{summary['repeated_events']:,} events have the event_id of another one; each counts, as it does in the stream"
    elif summary["repeated_events"]:
        yield f"{summary['repeated_events']:,} records repeat the event_id of another one and were left out"
    if summary.get("days_without_events"):
        yield f"days without events: {', '.join(summary['days_without_events'])}"
    decided = summary["payments_and_sign_ins"]
    yield f"payments and sign-ins: {decided['allow']:,} allowed, {decided['review']:,} to review, {decided['block']:,} to block"
    for name, numbers in summary["patterns"].items():
        if numbers["events_with_entity"]:
            yield f"{name}: {numbers['flagged']:,} flagged ({numbers['flagged_events']:,} events, {numbers['alerts']:,} alerts)"
        else:
            yield f"{name}: not judged, no event has a {numbers['entity']}"


if __name__ == "__main__":
    run_app(app)

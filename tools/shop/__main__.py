"""The simulated shop: `history` sends past days as fast as Kafka accepts them, `live` sends at the pace of the clock."""

import json
import time
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from tools.common.command import UsageError, current_settings, new_app, report_errors, run_app
from tools.kafka.client import SendError, require_topic
from tools.kafka.producer import Sender
from tools.lake import master_data
from tools.ledger.journal import Journal
from tools.ledger.reader import acknowledged_numbers
from tools.shop import corpus as corpus_files
from tools.shop import master, run, stream
from tools.shop.attacks import attackers
from tools.shop.encode import Encoder
from tools.shop.faults import Faults
from tools.shop.labels import LabelFile, folder
from tools.shop.world import DAY_MS, World

app = new_app(__doc__)
EVENTS_PER_DAY = 20_000

Days = Annotated[int, typer.Option(min=1, help="Number of days.")]
Until = Annotated[str, typer.Option(help="The last day, YYYY-MM-DD; default: yesterday.")]
Events = Annotated[int, typer.Option(min=0, help="Good events of all days together; default: 20,000 a day.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same events, with the same ids.")]
Share = Annotated[float, typer.Option(min=0, max=0.5, help="Share of the good events.")]
People = Annotated[int, typer.Option(min=2, help="Users of the shop.")]
Products = Annotated[int, typer.Option(min=50, help="Products of the shop.")]
Attacks = Annotated[int, typer.Option(min=0, max=1000, help="Attacks of each kind a day, or a minute when live; labels go to a file.")]
Hard = Annotated[bool, typer.Option("--hard", help="Attackers stay near the limits of the rules, change device and wait longer.")]
MasterData = Annotated[bool, typer.Option("--master-data/--no-master-data", help="Write users and products to the lake too.")]
Resume = Annotated[bool, typer.Option("--resume", help="Skip the records that the ledger lists as acknowledged in an earlier try.")]
RunName = Annotated[str, typer.Option("--run", help="Name of the run in the ledger; the default is made from the options.")]
Json = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]


@app.command()
@report_errors(SendError)
def history(
    days: Days = 1,
    until: Until = "",
    events: Events = 0,
    seed: Seed = 7,
    duplicates: Share = 0.001,
    broken: Share = 0.001,
    late: Share = 0.002,
    out_of_order: Share = 0.05,
    huge: Annotated[int, typer.Option(min=0, max=100, help="Records of 5 MB a day.")] = 0,
    send: Annotated[str, typer.Option(help="all, on-time (all but the late events), or late (the late events alone).")] = "all",
    attacks: Attacks = 0,
    users: People = 50_000,
    products: Products = 10_000,
    with_master_data: MasterData = True,
    resume: Resume = False,
    run_name: RunName = "",
    as_json: Json = False,
) -> None:
    """Send whole days; the same command again sends the same events, of which the nightly run keeps one each."""
    last_day = _complete_day(until)
    if send not in run.SELECTIONS:
        raise UsageError(f"--send {send!r}: use one of {', '.join(run.SELECTIONS)}")
    settings = current_settings()
    shop = _shop(World(seed, users, products), Faults(duplicates, broken, late, out_of_order, huge), attacks)
    total = events or EVENTS_PER_DAY * days
    windows = stream.days(last_day, days, total)
    require_topic(settings)
    name = names.slug(run_name or f"history_{last_day}_{days}d_{total}_seed{seed}_{send}")
    acknowledged = acknowledged_numbers(settings, name) if resume else frozenset()
    metadata = {"command": "history", "shop": repr(shop), "windows": [repr(window) for window in windows], "send": send}
    new_states = _append_master_data(settings, shop.world, windows[0].start, windows[-1].start + DAY_MS) if with_master_data else {}
    with (
        Journal(settings, name, metadata) as journal,
        _label_file(settings, name) as labels,
        Console(stderr=True).status("sending") as status,
    ):
        sender, numbering, started = Sender(settings, journal), run.Numbering(acknowledged), time.monotonic()
        output = run.Output(Encoder(shop.world), sender, numbering, labels)
        run.history(shop, windows, send, output, lambda count: status.update(f"{count:,} records sent"))
    _print_summary(run.summary(name, sender, numbering, time.monotonic() - started) | new_states, as_json)


@app.command()
@report_errors(SendError)
def live(
    rate: Annotated[float, typer.Option(min=0.1, max=100_000, help="Events per second.")],
    seconds: Annotated[int, typer.Option(min=0, help="Stop after so many seconds; 0: run until Ctrl-C.")] = 0,
    seed: Seed = 7,
    duplicates: Share = 0.001,
    broken: Share = 0.001,
    late: Share = 0.002,
    out_of_order: Share = 0.05,
    attacks: Attacks = 0,
    users: People = 50_000,
    products: Products = 10_000,
    with_master_data: MasterData = True,
    start: Annotated[str, typer.Option(help="Repeat an earlier live run: the start that its summary shows.")] = "",
    resume: Resume = False,
    run_name: RunName = "",
    as_json: Json = False,
) -> None:
    """Send events at the pace of the clock."""
    settings = current_settings()
    shop = _shop(World(seed, users, products), Faults(duplicates, broken, late, out_of_order), attacks)
    start_ms = _live_start(start, rate)
    require_topic(settings)
    name = names.slug(run_name or f"live_{start_ms}_rate{rate:g}_seed{seed}")
    acknowledged = acknowledged_numbers(settings, name) if resume else frozenset()
    new_states = _append_master_data(settings, shop.world, start_ms - DAY_MS, start_ms + DAY_MS) if with_master_data else {}
    metadata = {"command": "live", "shop": repr(shop), "rate": rate, "start": start_ms}
    with Journal(settings, name, metadata) as journal, _label_file(settings, name) as labels:
        sender, numbering = Sender(settings, journal), run.Numbering(acknowledged)
        first_send = max(time.time(), start_ms / 1000)
        end_ms = start_ms + seconds * 1000 if seconds else None
        output = run.Output(Encoder(shop.world), sender, numbering, labels)
        with Console(stderr=True).status("waiting for the start") as status, suppress(KeyboardInterrupt):
            run.live(shop, start_ms, rate, end_ms, output, lambda count: status.update(f"{count:,} records sent"))
        sender.flush()
    sending_seconds = max(0.0, time.time() - first_send)
    _print_summary(run.summary(name, sender, numbering, sending_seconds) | new_states | {"start": start_ms}, as_json)


@app.command()
def corpus(
    out: Annotated[Path, typer.Option(help="Folder for events.json and labels.jsonl.")],
    days: Days = 1,
    until: Until = "",
    events: Events = 0,
    seed: Seed = 7,
    attacks: Attacks = 10,
    hard: Hard = False,
    duplicates: Share = 0.001,
    late: Share = 0.002,
    out_of_order: Share = 0.05,
    users: People = 50_000,
    products: Products = 10_000,
) -> None:
    """Write labelled days into files instead of Kafka, in order of arrival."""
    shop = _shop(World(seed, users, products), Faults(duplicates, 0, late, out_of_order), attacks, hard)
    out.mkdir(parents=True, exist_ok=True)
    windows = stream.days(_complete_day(until), days, events or EVENTS_PER_DAY * days)
    count = corpus_files.write(shop, windows, out / "events.json", out / "labels.jsonl")
    typer.echo(f"{count:,} events written to {out}")


def _shop(world: World, faults: Faults, attacks: int, hard: bool = False) -> stream.Shop:
    """Returns a shop with ordinary shoppers, and with attackers if there are attacks."""
    sources = stream.SOURCES
    if attacks:
        sources = (*sources, attackers(attacks, hard))
    return stream.Shop(world, faults, sources)


def _label_file(settings: Settings, name: str) -> LabelFile:
    return LabelFile(folder(settings) / f"{name}.jsonl")


def _complete_day(text: str) -> date:
    """Returns the day of `--until`, by default yesterday. Raises ValueError if it is not a day or not over yet."""
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    day = date.fromisoformat(names.checked_day(text)) if text else yesterday
    if day > yesterday:
        raise UsageError(f"--until {day}: that day is not over yet; the last complete day is {yesterday}")
    return day


def _live_start(text: str, rate: float) -> int:
    """Returns `--start` in ms since 1970; without it, the earliest time for which a live run of this rate can be prepared."""
    if not text:
        return int(1000 * (time.time() + run.preparation_seconds(rate)))
    if not text.isdigit():
        raise UsageError(f"--start {text!r}: give milliseconds since 1970, as in the summary of the earlier run")
    return int(text)


def _append_master_data(settings: Settings, world: World, start: int, end: int) -> dict[str, int]:
    """Append the states of users and products in a period (ms since 1970); returns how many were new."""
    states_by_table = {master_data.USERS: master.users(world, start, end), master_data.PRODUCTS: master.products(world, start, end)}
    return {f"new_states_of_{table}": master_data.append(settings, table, states) for table, states in states_by_table.items()}


def _print_summary(summary: dict[str, Any], as_json: bool) -> None:
    typer.echo(json.dumps(summary, indent=1) if as_json else "\n".join(f"{name}: {value}" for name, value in summary.items()))


if __name__ == "__main__":
    run_app(app)

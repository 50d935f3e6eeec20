"""The simulated shop: `history` sends past days as fast as Kafka takes them, `live` sends at the pace of the clock."""

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
from tools.common.command import UsageError, current_settings, report_errors, run_app
from tools.kafka.producer import Sender, SendError, require_topic
from tools.lake import master_data
from tools.ledger.journal import Journal
from tools.ledger.reader import acknowledged_numbers
from tools.shop import corpus, master, run, stream
from tools.shop.attacks import Attackers
from tools.shop.encode import Encoder
from tools.shop.faults import Faults
from tools.shop.labels import Labels, folder
from tools.shop.world import DAY_MS, World

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False, rich_markup_mode=None, no_args_is_help=True, add_completion=False)
EVENTS_PER_DAY = 20_000
LATE = ("all", "on-time", "late")

Days = Annotated[int, typer.Option(min=1, help="How many days.")]
Until = Annotated[str, typer.Option(help="The last day, YYYY-MM-DD; default: yesterday.")]
Events = Annotated[int, typer.Option(min=0, help="Good events of all days together; default: 20,000 a day.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same events, down to their ids.")]
Share = Annotated[float, typer.Option(min=0, max=0.5, help="Share of the good events.")]
People = Annotated[int, typer.Option(min=2, help="Users of the shop.")]
Products = Annotated[int, typer.Option(min=50, help="Products of the shop.")]
Attacks = Annotated[int, typer.Option(min=0, max=1000, help="Attacks of each kind a day, or a minute when live; labels go to a file.")]
MasterData = Annotated[bool, typer.Option("--master-data/--no-master-data", help="Write users and products to the lake too.")]
Resume = Annotated[bool, typer.Option("--resume", help="Leave out what the ledger shows as acknowledged by an earlier try.")]
RunName = Annotated[str, typer.Option("--run", help="Name of the run in the ledger; the default says what is sent.")]
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
    """Send whole days; the same command again sends the same events, which the lake's nightly keeps once."""
    last = _complete_day(until)
    if send not in LATE:
        raise UsageError(f"--send {send!r}: use one of {', '.join(LATE)}")
    settings, shop = current_settings(), _shop(World(seed, users, products), Faults(duplicates, broken, late, out_of_order, huge), attacks)
    windows = stream.days(last, days, events or EVENTS_PER_DAY * days)
    require_topic(settings)
    name = names.slug(run_name or f"history_{last}_{days}d_{events or EVENTS_PER_DAY * days}_seed{seed}_{send}")
    done = acknowledged_numbers(settings, name) if resume else frozenset()
    about = {"command": "history", "shop": repr(shop), "windows": [repr(w) for w in windows], "send": send}
    states = _land(settings, shop.world, windows[0].start, windows[-1].start + DAY_MS) if with_master_data else {}
    with Journal(settings, name, about) as journal, _labels(settings, name) as labels, Console(stderr=True).status("sending") as status:
        sender, numbered, started = Sender(settings, journal), run.Numbered(done), time.monotonic()
        door = run.Door(Encoder(shop.world), sender, numbered, labels)
        run.history(shop, windows, run.Part(send), door, lambda n: status.update(f"{n:,} sent"))
    _report(run.summary(name, sender, numbered, time.monotonic() - started) | states, as_json)


@app.command()
@report_errors(SendError)
def live(
    rate: Annotated[float, typer.Option(min=0.1, max=100_000, help="Events a second.")],
    seconds: Annotated[int, typer.Option(min=0, help="Stop after so many seconds; 0 goes on until Ctrl-C.")] = 0,
    seed: Seed = 7,
    duplicates: Share = 0.001,
    broken: Share = 0.001,
    late: Share = 0.002,
    out_of_order: Share = 0.05,
    attacks: Attacks = 0,
    users: People = 50_000,
    products: Products = 10_000,
    with_master_data: MasterData = True,
    start: Annotated[str, typer.Option(help="Repeat an earlier live run: the start that its summary names.")] = "",
    resume: Resume = False,
    run_name: RunName = "",
    as_json: Json = False,
) -> None:
    """Send events at the pace of the clock."""
    settings, shop = current_settings(), _shop(World(seed, users, products), Faults(duplicates, broken, late, out_of_order), attacks)
    begin = _moment(start, rate)
    require_topic(settings)
    name = names.slug(run_name or f"live_{begin}_rate{rate:g}_seed{seed}")
    done = acknowledged_numbers(settings, name) if resume else frozenset()
    states = _land(settings, shop.world, begin - DAY_MS, begin + DAY_MS) if with_master_data else {}
    about = {"command": "live", "shop": repr(shop), "rate": rate, "start": begin}
    with Journal(settings, name, about) as journal, _labels(settings, name) as labels:
        sender, numbered = Sender(settings, journal), run.Numbered(done)
        opens = max(time.time(), begin / 1000)
        ends = begin + seconds * 1000 if seconds else None
        door = run.Door(Encoder(shop.world), sender, numbered, labels)
        with Console(stderr=True).status("the shop opens") as status, suppress(KeyboardInterrupt):
            run.live(shop, begin, rate, ends, door, lambda n: status.update(f"{n:,} sent"))
        sender.flush()
    _report(run.summary(name, sender, numbered, max(0.0, time.time() - opens)) | states | {"start": begin}, as_json)


def _shop(world: World, faults: Faults, attacks: int) -> stream.Shop:
    hostile: tuple[stream.Source, ...] = (Attackers(attacks),) if attacks else ()
    return stream.Shop(world, faults, (*stream.SOURCES, *hostile))


def _labels(settings: Settings, name: str) -> Labels:
    return Labels(folder(settings) / f"{name}.jsonl")


@app.command("corpus")
def corpus_(
    out: Annotated[Path, typer.Option(help="Folder for events.json and labels.jsonl.")],
    days: Days = 1,
    until: Until = "",
    events: Events = 0,
    seed: Seed = 7,
    attacks: Attacks = 10,
    duplicates: Share = 0.001,
    late: Share = 0.002,
    out_of_order: Share = 0.05,
    users: People = 50_000,
    products: Products = 10_000,
) -> None:
    """Write labelled days into files instead of Kafka, in order of arrival."""
    shop = _shop(World(seed, users, products), Faults(duplicates, 0, late, out_of_order), attacks)
    out.mkdir(parents=True, exist_ok=True)
    windows = stream.days(_complete_day(until), days, events or EVENTS_PER_DAY * days)
    typer.echo(f"{corpus.write(shop, windows, out / 'events.json', out / 'labels.jsonl'):,} events in {out}")


def _complete_day(text: str) -> date:
    """The day of `--until`. Raises ValueError when it is none, or not over yet."""
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    day = date.fromisoformat(names.checked_day(text)) if text else yesterday
    if day > yesterday:
        raise UsageError(f"--until {day}: that day is not over yet; the last whole day is {yesterday}")
    return day


def _moment(text: str, rate: float) -> int:
    """`--start` in milliseconds since 1970; without one, as soon as a shop of this rate can open."""
    if not text:
        return int(1000 * (time.time() + run.opening_seconds(rate)))
    if not text.isdigit():
        raise UsageError(f"--start {text!r}: give milliseconds since 1970, as the summary of the earlier run does")
    return int(text)


def _land(settings: Settings, world: World, start: int, end: int) -> dict[str, int]:
    """Write the states of users and products of that time; returns how many were new."""
    states = {master_data.USERS: master.users(world, start, end), master_data.PRODUCTS: master.products(world, start, end)}
    return {f"new_states_of_{table}": master_data.append(settings, table, rows) for table, rows in states.items()}


def _report(summary: dict[str, Any], as_json: bool) -> None:
    typer.echo(json.dumps(summary, indent=1) if as_json else "\n".join(f"{name}: {value}" for name, value in summary.items()))


if __name__ == "__main__":
    run_app(app)

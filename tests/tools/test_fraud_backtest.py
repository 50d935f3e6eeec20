"""`./clickstream fraud backtest`: past events of a file or of the lake are all judged by their own time, and the flagged are named."""

import gzip
import json
import os
import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from typer.testing import CliRunner

from clickstream_contracts import schema
from clickstream_contracts.fraud_rules import rules
from clickstream_contracts.settings import Settings
from tests.flink_apps import fraud_oracle
from tests.ports import free_ports
from tools.common.command import UsageError, current_settings
from tools.fraud import flink_process
from tools.fraud.backtest import app
from tools.fraud.event_store import EventStore
from tools.fraud.flagged import decisions, flagged_entities
from tools.fraud.past_events import Days, lake_events, parse_days
from tools.lake.catalog import open_catalog

ROOT = Path(__file__).parents[2]
CLICKS = "raw.clicks"
DAY = datetime(2026, 1, 5, tzinfo=UTC)
Row = dict[str, Any]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a stack that was never started; a command leaves nothing in it. JVMs are for short runs on small files."""
    folder = tmp_path / "own stack"
    monkeypatch.setenv("CLICKSTREAM_STACK_DIR", str(folder))
    # Such a JVM ends before the optimising compiler pays off.
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
    yield folder
    assert not folder.exists() or not list(folder.iterdir())


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def backtest(*arguments: str | Path) -> Row:
    """Runs the command with --json and returns what it prints."""
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    printed: Row = json.loads(done.stdout)
    return printed


def write_json_lines(path: Path, rows: list[Row]) -> Path:
    path.parent.mkdir(exist_ok=True)
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


# A file of {timestamp, user_id, product_id, event_type}.


def log_line(user: str, moment: datetime, kind: str = "view") -> Row:
    return {"timestamp": moment.isoformat(), "user_id": user, "product_id": "p1", "event_type": kind}


def log_of_a_year_ago() -> list[Row]:
    """A day of 300 users in a random order, three fast users in it, and an attack as its last lines, after which nothing comes."""
    day, chance = datetime.now(UTC).replace(microsecond=0) - timedelta(days=365), random.Random(7)
    lines = [log_line(f"user{chance.randrange(300)}", day + timedelta(seconds=chance.randrange(80_000))) for _ in range(4_000)]
    lines += [log_line("six-in-10-s", day + timedelta(hours=3, seconds=2 * n)) for n in range(6)]
    lines += [log_line("six-in-11-s", day + timedelta(hours=4, seconds=2.2 * n)) for n in range(6)]
    lines += [log_line("five-at-once", day + timedelta(hours=5), kind) for kind in ("view", "cart", "search", "checkout", "purchase")]
    chance.shuffle(lines)
    return [*lines, *(log_line("attack [at the end]", day + timedelta(hours=23, seconds=n)) for n in range(7))]


def users_with_more_than_5_events_in_10_s(lines: list[Row]) -> set[str]:
    times = defaultdict(list)
    for line in lines:
        times[line["user_id"]].append(datetime.fromisoformat(line["timestamp"]))
    in_order = {user: sorted(moments) for user, moments in times.items()}
    return {
        user
        for user, moments in in_order.items()
        if any(sixth - first <= timedelta(seconds=10) for first, sixth in zip(moments, moments[5:], strict=False))
    }


@pytest.mark.engine
def test_fast_users_of_a_year_old_file_are_named_also_at_its_end(tmp_path: Path) -> None:
    lines = log_of_a_year_ago()
    file = write_json_lines(tmp_path / "clickstream.json.gz", [*lines, {"timestamp": "yesterday", "user_id": "u"}])
    result = backtest(file, "--mapping", "jsonlog")
    flagged = {entity["entity"]: entity for entity in result["flagged"]}
    assert flagged.keys() == users_with_more_than_5_events_in_10_s(lines) == {"six-in-10-s", "attack [at the end]"}
    attack = flagged["attack [at the end]"]
    assert (attack["pattern"], attack["entity_type"], attack["decision"]) == ("rapid_fire", "user_id", "review")
    assert attack["reason"] == "6 events of this user in 10 s, limit 5"
    assert (attack["events"], attack["alerts"]) == (2, 1)
    assert [datetime.fromisoformat(attack[name]) for name in ("first", "last")] == [
        datetime.fromisoformat(line["timestamp"]) for line in lines[-2:]
    ]
    assert result["events"] == len(lines)
    assert (result["file"]["lines"], result["file"]["rejected"]) == (len(lines) + 1, 1)
    assert result["patterns"]["rapid_fire"] == {
        "entity": "user_id", "events_with_entity": len(lines), "flagged": 2, "flagged_events": 3, "alerts": 2,
    }  # fmt: skip
    assert result["patterns"]["scraping_bot"]["events_with_entity"] == 0


# A day of the simulated shop with attacks, as a file with a mapping of its own.


def identity_mapping(path: Path) -> Path:
    """Writes a mapping of files whose columns are the fields of the event."""
    names = [field.name for field in schema.event().fields if field.name != "schema_version"]
    fields: dict[str, Row] = {name: {"from": name, "optional": not schema.event().field(name).required} for name in names}
    fields["event_time"]["time"] = "epoch_ms"
    path.write_text(yaml.safe_dump({"fields": fields}))
    return path


def expected_flagged(events: list[Row]) -> set[tuple[str, str]]:
    """The pattern and entity of every event that the second implementation of the rules flags."""
    nothing = dict.fromkeys(field.name for field in schema.event().fields)
    ordered = sorted((nothing | event for event in events), key=fraud_oracle.event_timestamp)
    keys = ("user_id", "device_id", "payment_token")
    risk = [event for event in ordered if event["event_type"] not in fraud_oracle.BROWSE_EVENTS]
    all_events, risk_events = ({key: fraud_oracle.EntityEvents(rows, key) for key in keys} for rows in (ordered, risk))
    flagged: set[tuple[str, str]] = set()
    for pattern in rules().patterns:
        for event in ordered if pattern.scope == "all_events" else risk:
            if fraud_oracle.RULES[pattern.name](event, all_events, risk_events) >= rules().review_from:
                flagged.add((pattern.name, str(event[pattern.entity])))
    return flagged


@pytest.mark.engine
def test_every_pattern_of_a_shuffled_file_is_that_of_the_oracle_and_nothing_is_late(tmp_path: Path) -> None:
    shop = ["tools.shop", "corpus", "--out", str(tmp_path), "--events", "20000", "--attacks", "2", "--seed", "5", "--until", "2026-01-05"]
    subprocess.run([sys.executable, "-m", *shop], check=True, cwd=ROOT)
    lines = [json.loads(line) for line in (tmp_path / "events.json").read_text().splitlines()]
    events = [{name: value for name, value in line.items() if name != "arrived_ms"} for line in lines]
    random.Random(1).shuffle(events)
    file = write_json_lines(tmp_path / "shuffled.jsonl", events)
    result = backtest(file, "--mapping", identity_mapping(tmp_path / "own.yaml"))
    flagged = {(entity["pattern"], entity["entity"]) for entity in result["flagged"]}
    expected = expected_flagged(events)
    assert {pattern for pattern, _ in expected} == {pattern.name for pattern in rules().patterns}
    # The oracle does not score profile changes, which account_takeover also flags.
    assert {row for row in flagged if row[0] != "account_takeover"} == {row for row in expected if row[0] != "account_takeover"}
    assert flagged >= expected
    assert sum(result["payments_and_sign_ins"].values()) == sum(event["event_type"] in fraud_oracle.SCORED_EVENTS for event in events)
    assert all(entity["alerts"] for entity in result["flagged"])


# Days of the lake.


def click(number: int, user: str, moment: datetime, event_id: str | None = None) -> Row:
    values = {"event_type": "view_item", "event_time": moment, "user_id": user, "session_id": "s", "schema_version": 1, "price": None}
    return values | {
        "event_id": event_id or f"e{number}", "kafka_partition": 0, "kafka_offset": number, "ingested_at": DAY + timedelta(days=200),
    }  # fmt: skip


@pytest.fixture(scope="module")
def stack_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a running stack of S3 and Nessie."""
    folder = tmp_path_factory.mktemp("stack")
    ports = {f"CLICKSTREAM_{name.upper()}": str(port) for name, port in free_ports().items()}
    env = {**os.environ, **ports, "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}", "CLICKSTREAM_STACK_DIR": str(folder)}
    stack = [sys.executable, "-m", "tools.localstack"]
    try:
        subprocess.run([*stack, "up", "--only", "s3,nessie"], cwd=ROOT, env=env, check=True)
        yield folder
    finally:
        subprocess.run([*stack, "clean"], cwd=ROOT, env=env, check=False)


@pytest.fixture
def settings(stack_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """The settings of the running stack, whose table of clicks is empty."""
    monkeypatch.setenv("CLICKSTREAM_STACK_DIR", str(stack_folder))
    settings = current_settings()
    yield settings
    open_catalog(settings).load_table(CLICKS).delete()


def append(settings: Settings, rows: list[Row]) -> None:
    """Append clicks to the lake."""
    table = open_catalog(settings).load_table(CLICKS)
    table.append(pa.Table.from_pylist(rows, schema=table.schema().as_arrow()))


@pytest.mark.engine
def test_days_of_the_lake_are_judged_with_each_event_once_and_the_hours_before_them(settings: Settings) -> None:
    def burst(user: str, start: datetime, count: int) -> Iterator[tuple[str, datetime]]:
        return ((user, start + timedelta(seconds=n)) for n in range(count))

    midnight, end = DAY, DAY + timedelta(days=3)
    moments = [
        *burst("across-midnight", midnight - timedelta(seconds=4), 6),
        *burst("day-before", midnight - timedelta(minutes=10), 7),
        *burst("at-the-end", end - timedelta(seconds=6), 6),
        *burst("day-after", end, 7),
    ]
    clicks = [click(number, user, moment) for number, (user, moment) in enumerate(moments)]
    # Three events that were sent twice are three events.
    again = [click(100 + n, "sent-twice", DAY + timedelta(hours=1, seconds=n % 3), event_id=f"again{n % 3}") for n in range(6)]
    append(settings, clicks[:10])
    append(settings, [*clicks[10:], *again])
    result = backtest("2026-01-05..2026-01-07")
    flagged = {entity["entity"]: entity for entity in result["flagged"]}
    assert flagged.keys() == {"across-midnight", "at-the-end"}
    assert flagged["across-midnight"]["first"] == "2026-01-05T00:00:01.000Z"
    assert flagged["at-the-end"]["last"] == "2026-01-07T23:59:59.000Z"
    assert (result["events"], result["repeated_events"]) == (2 + 6 + 3, 3)
    assert result["days_without_events"] == ["2026-01-06"]


@pytest.mark.engine
def test_the_lake_is_read_from_before_the_first_day_to_the_end_of_the_last_one(settings: Settings) -> None:
    days = Days(DAY.date(), DAY.date())
    start = DAY - timedelta(milliseconds=days.look_back_ms)
    assert days.look_back_ms == 1000 * (2 * 3600 + 30 * 60)
    tick = timedelta(milliseconds=1)
    edges = {"before": start - tick, "first": start, "last": DAY + timedelta(days=1) - tick, "after": DAY + timedelta(days=1)}
    append(settings, [click(number, user, moment) for number, (user, moment) in enumerate(edges.items())])
    events = {event["user_id"]: event for event in lake_events(settings, days)}
    assert events.keys() == {"first", "last"}
    assert events["last"] == {
        "event_id": "e2", "event_type": "view_item", "event_time": 1_767_657_599_999, "user_id": "last", "session_id": "s",
        "schema_version": 1,
    }  # fmt: skip


@pytest.mark.engine
def test_days_without_any_event_are_a_clear_error(settings: Settings) -> None:
    append(settings, [click(1, "u", DAY)])
    done = run("2024-02-29")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: 2024-02-29: the lake has no event of these days in raw.clicks")


# Errors: one line on stderr, and nothing was started.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.json", "--mapping", "jsonlog"], "nowhere.json: no such file, and no days of the lake"),
        (["2026-01-05 to 2026-01-07"], "no such file, and no days of the lake: give a file, or days like 2026-01-01..2026-01-07"),
        (["2026-02-30"], "2026-02-30: day is out of range"),
        (["2026-01-07..2026-01-05"], "the last day is before the first one: write 2026-01-05..2026-01-07"),
        (["9999-12-31"], "9999-12-31: date value out of range"),
        (["0001-01-01"], "0001-01-01: year 0 is out of range"),
        (["2026-01-05", "--mapping", "jsonlog"], "--mapping jsonlog: is for a file, and 2026-01-05 are days of the lake"),
        (["{file}"], "--mapping is missing"),
        (["{file}", "--mapping", "nothing"], "no mapping 'nothing'"),
        (["{file}", "--mapping", "rees46"], "no column 'event_time'"),
        (["{file}", "--mapping", "jsonlog"], "no line is an event by the mapping jsonlog: 2 x event_time: not a time"),
    ],
)
def test_a_wrong_argument_is_one_line_and_exit_code_2(tmp_path: Path, arguments: list[str], message: str) -> None:
    lines = [{"timestamp": "soon", "user_id": "u", "product_id": "p", "event_type": "view"}] * 2
    file = write_json_lines(tmp_path / "f.json", lines)
    done = run(*(argument.format(file=file) for argument in arguments))
    assert (done.exit_code, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert message in line


def test_an_unreachable_lake_is_exit_code_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("k")
    for name in ("S3_ACCESS_KEY_FILE", "S3_SECRET_KEY_FILE"):
        monkeypatch.setenv(f"CLICKSTREAM_{name}", str(tmp_path / "key"))
    monkeypatch.setenv("CLICKSTREAM_NESSIE_URI", "http://127.0.0.1:1")
    done = run("2026-01-05")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: the lake is unreachable")


def test_a_missing_environment_of_flink_is_exit_code_1_and_names_the_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flink_process, "REPO", tmp_path)
    file = write_json_lines(tmp_path / "f.json", [log_line("u", DAY)])
    done = run(file, "--mapping", "jsonlog")
    assert done.exit_code == 1
    assert f"Flink's environment {tmp_path}/.venvs/flink is missing: run `make setup`" in done.stderr


def fake_job(monkeypatch: pytest.MonkeyPatch, **results: list[Row]) -> None:
    """Replaces the job by one that writes these results."""

    def score(events: Path, folder: Path, on_progress: Callable[[int], None]) -> None:
        for name, rows in results.items():
            write_json_lines(folder / name / "part", rows)

    monkeypatch.setattr(flink_process, "score", score)


def test_an_event_that_the_job_did_not_score_is_exit_code_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_job(monkeypatch, scores=[{"decision": "allow", "event_time": 1}])
    file = write_json_lines(tmp_path / "f.json", [log_line("u", DAY, "purchase"), log_line("v", DAY, "purchase")])
    done = run(file, "--mapping", "jsonlog")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "the job scored 1 of 2 payments and sign-ins, and 0 were late" in done.stderr


def test_the_readable_part_of_a_damaged_file_is_judged_and_the_exit_code_is_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_job(monkeypatch)
    file = write_json_lines(tmp_path / "f.json.gz", [log_line(f"user{n}", DAY + timedelta(seconds=n * n)) for n in range(2_000)])
    file.write_bytes(file.read_bytes()[:-2_000])
    done = run(file, "--mapping", "jsonlog")
    assert done.exit_code == 1
    assert "judged by the rules" in done.stdout
    assert done.stderr.startswith(f"error: {file}")


# What is printed.


def flagged_event(entity: str, time: int, score: float = 0.6, pattern: str = "rapid_fire", entity_type: str = "user_id") -> Row:
    values = {"pattern": pattern, "entity_type": entity_type, "entity": entity, "score": score, "event_time": time}
    return values | {"event_id": f"{entity}{time}", "reason": f"reason at {time}"}


def alert(entity: str, time: int, alert_id: str = "", pattern: str = "rapid_fire") -> Row:
    return {"alert_id": alert_id or f"{entity}{time}", "pattern": pattern, "entity": entity, "event_time": time}


def test_a_table_names_the_flagged_and_the_summary_the_patterns_that_could_not_be_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = int(DAY.timestamp() * 1000)
    fake_job(
        monkeypatch,
        flagged=[flagged_event(f"[bold]user{n}[/bold]", moment + n) for n in range(3)],
        alerts=[alert("[bold]user0[/bold]", moment)],
    )
    file = write_json_lines(tmp_path / "f.json", [log_line("u", DAY)] * 2)
    done = run(file, "--mapping", "jsonlog", "--limit", "2")
    assert done.exit_code == 0, done.stderr
    assert "[bold]user1[/bold]" in done.stdout
    assert "user2" not in done.stdout
    assert "and 1 more: --limit 0 or --json shows all" in done.stdout
    assert "2026-01-05T00:00:00.000Z" in done.stdout
    assert "rapid_fire: 3 flagged (3 events, 1 alerts)" in done.stdout
    assert "card_velocity: not judged, no event has a payment_token" in done.stdout
    assert "1 events have the event_id of another one; each counts" in done.stdout


def test_the_flagged_are_grouped_by_pattern_and_entity_from_the_first_moment_on(tmp_path: Path) -> None:
    device = {"pattern": "scraping_bot", "entity_type": "device_id"}
    write_json_lines(
        tmp_path / "flagged" / "part",
        [flagged_event("d", 50, 0.7, **device), flagged_event("u", 30, 0.6), flagged_event("u", 20, 0.9), flagged_event("old", 9)],
    )
    write_json_lines(
        tmp_path / "alerts" / "part",
        [alert("u", 20), alert("u", 30, "same"), alert("u", 30, "same"), alert("old", 9), alert("d", 50, pattern="scraping_bot")],
    )
    user, device_row = flagged_entities(tmp_path, 10)
    assert (user.entity, user.first, user.last, user.reason) == ("u", 20, 30, "reason at 20")
    assert (user.events, user.alerts, user.decision) == (2, 2, "block")
    assert (device_row.entity_type, device_row.entity, device_row.decision) == ("device_id", "d", "review")


def test_decisions_are_counted_from_the_first_moment_on(tmp_path: Path) -> None:
    scores = [("allow", 9), ("allow", 10), ("block", 11)]
    write_json_lines(tmp_path / "scores" / "part", [{"decision": decision, "event_time": time} for decision, time in scores])
    assert decisions(tmp_path, 10) == {"allow": 1, "review": 0, "block": 1}


# The events on disk.


def stored(folder: Path, events: list[Row], each_once: bool) -> tuple[list[Row], Any]:
    with EventStore(folder / "events.sqlite", each_once) as store:
        store.add(events)
        store.write(folder / "events.json")
        return [json.loads(line) for line in (folder / "events.json").read_text().splitlines()], store.content(5)


def test_events_are_written_in_order_of_time_and_arrive_at_their_own_time(tmp_path: Path) -> None:
    events = [
        {"event_id": name, "event_time": time, "event_type": "login", "user_id": "ü\n"} for name, time in (("b", 9), ("a", 7), ("c", 7))
    ]
    lines, content = stored(tmp_path, events, each_once=False)
    assert [line["event_id"] for line in lines] == ["a", "c", "b"]
    assert lines[0] == events[1] | {"arrived_ms": 7}
    assert (content.events, content.scored, content.first, content.last) == (3, 3, 7, 9)
    assert content.with_entity == {"device_id": 0, "payment_token": 0, "user_id": 3}


@pytest.mark.parametrize(("each_once", "times"), [(False, [3, 6, 8]), (True, [3, 8])])
def test_an_event_that_is_there_twice_counts_twice_or_once(tmp_path: Path, each_once: bool, times: list[int]) -> None:
    events = [{"event_id": name, "event_time": time, "event_type": "login"} for name, time in (("a", 6), ("a", 3), ("b", 8))]
    lines, content = stored(tmp_path, events, each_once)
    assert [line["event_time"] for line in lines] == times
    assert content.events == len([time for time in times if time >= 5])
    assert content.days == {0}


def test_days_are_one_or_a_range() -> None:
    assert parse_days("2026-01-05") == Days(DAY.date(), DAY.date())
    assert str(parse_days("2026-01-05..2026-01-07")) == "2026-01-05..2026-01-07"
    assert parse_days("2026-01-05..") is None
    with pytest.raises(UsageError):
        parse_days("2026-13-01")

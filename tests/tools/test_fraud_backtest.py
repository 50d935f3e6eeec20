"""`./clickstream fraud backtest`: past events of a file or of the lake are all judged by their own time, and the flagged are named."""

import json
import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from clickstream_contracts import schema
from clickstream_contracts.fraud_rules import rules
from tests.flink_apps import fraud_oracle
from tests.tools.fraud_backtest import DAY, Row, backtest, log_line, own_folder, run, write_json_lines
from tools.fraud import flink_process
from tools.fraud.flagged import decisions, flagged_entities

ROOT = Path(__file__).parents[2]
__all__ = ["own_folder"]


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


@pytest.mark.engine
def test_an_attack_without_a_pause_raises_an_alert_on_each_day(tmp_path: Path) -> None:
    def flagged(user: str, *minutes: int) -> list[Row]:
        return [log_line(user, DAY + timedelta(minutes=minute, seconds=n)) for minute in minutes for n in range(6)]

    # From the first evening to the third morning, flagged every 25 minutes.
    attack = flagged("for three days", *range(18 * 60, 54 * 60, 25))
    file = write_json_lines(tmp_path / "f.jsonl", attack + flagged("after 29 minutes", 0, 29) + flagged("after 31 minutes", 0, 31))
    result = backtest(file, "--mapping", "jsonlog")
    assert {entity["entity"]: entity["alerts"] for entity in result["flagged"]} == {
        "for three days": 3,
        "after 29 minutes": 1,
        "after 31 minutes": 2,
    }


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
    rows = [nothing | event for event in events]
    entity_of = {pattern.name: pattern.entity for pattern in rules().patterns}
    patterns = fraud_oracle.flagged_patterns(rows)
    return {(name, str(row[entity_of[name]])) for row in rows for name in patterns.get(str(row["event_id"]), ())}


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

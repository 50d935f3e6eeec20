"""The account of a run: lines = sent + rejected, what was not read is named, and it is printed whatever happens."""

import csv
import gzip
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from clickstream_contracts.event_limits import EventLimits
from clickstream_contracts.settings import Settings
from tools.kafka.client import SendError
from tools.kafka.producer import Records
from tools.replay import mapping as mappings
from tools.replay import sending
from tools.replay.__main__ import Run, app
from tools.replay.account import Account

NOW = 1_762_160_400_000  # 2025-11-03T09:00:00Z
VIEW = {"timestamp": NOW, "user_id": "u", "product_id": "p", "event_type": "view"}
BUY = VIEW | {"event_type": "purchase", "order_id": "o", "quantity": 1, "price": 2.5, "currency": "EUR"}


@pytest.fixture(autouse=True)
def _no_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run needs no stack: nothing listens where Kafka would be."""
    monkeypatch.setenv("CLICKSTREAM_STACK_DIR", str(tmp_path / "stack"))
    monkeypatch.setenv("CLICKSTREAM_KAFKA_BOOTSTRAP", "127.0.0.1:1")


def jsonl(path: Path, *lines: dict[str, Any] | str) -> Path:
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def replay(file: Path, mapping: str = "jsonlog", *options: str) -> Result:
    return CliRunner().invoke(app, ["--file", str(file), "--mapping", mapping, "--dry-run", *options])


def summary(result: Result) -> dict[str, Any]:
    return dict(json.loads(result.stdout))


def rejects(result: dict[str, Any]) -> list[dict[str, str]]:
    with Path(result["rejects_file"]).open(newline="", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def test_a_dry_run_prints_the_account_and_writes_only_the_rejected_lines(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "f.jsonl", VIEW, "nonsense", BUY, BUY | {"price": "12,50"}, "", BUY)
    result = replay(path, "jsonlog", "--json")
    assert result.exit_code == 0
    account = summary(result)
    assert {key: account[key] for key in ("dry_run", "lines", "sent", "events", "rejected", "acknowledged", "repeated_order_lines")} == {
        "dry_run": True, "lines": 5, "sent": 3, "events": 3, "rejected": 2, "acknowledged": 0, "repeated_order_lines": 1,
    }  # fmt: skip
    assert account["reasons"] == {"not JSON": 1, "price: not a number": 1}
    assert [(row["line_number"], row["reason"]) for row in rejects(account)] == [
        ("2", "not JSON: Expecting value: line 1 column 1 (char 0)"),
        ("4", "price: not a number: '12,50': write it with a decimal point and without thousands separators"),
    ]
    assert [file for file in (tmp_path / "stack").rglob("*") if file.is_file()] == [Path(account["rejects_file"])]


def test_the_account_on_the_screen_has_each_reason_with_its_first_line(tmp_path: Path) -> None:
    result = replay(jsonl(tmp_path / "f.jsonl", VIEW, "nonsense", VIEW, "nonsense"))
    assert "lines: 4\nsent: 2\nevents: 2\nrejected: 2\n  2 x not JSON (first: line 2)\n" in result.stdout


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"quantity": 120_000}, "quantity: is not from 0 to 10000"),
        ({"quantity": "34012345000000001800"}, "quantity: is not from 0 to 10000"),
        ({"quantity": 34012345000000001800}, "quantity: is not from 0 to 10000"),
        ({"price": 10**30}, "price: is not from 0 to 1000000000"),
        ({"price": 1.234, "currency": "KWD"}, "price: has more than 2 decimals"),
        ({"price": "0.8555"}, "price: has more than 2 decimals"),
        ({"price": -1}, "price: is not from 0 to 1000000000"),
        ({"timestamp": "99999999999999999999999"}, "event_time: not a time"),
        ({"timestamp": "1999-12-31T23:59:59Z"}, "event_time: is before 2000-01-01 (CLICKSTREAM_EVENT_EARLIEST)"),
        ({"timestamp": "2999-01-01"}, "event_time: is too far in the future (CLICKSTREAM_EVENT_FUTURE_MINUTES)"),
        ({"user_id": "u" * 129}, "user_id: is longer than 128"),
        ({"user_id": {"id": 1}}, "user_id: not a text"),
        ({"country": "Germany"}, "country: is longer than 2"),
        ({"event_id": "e" * 200}, "event_id: is longer than 128"),
    ],
)
def test_a_line_that_breaks_a_limit_is_rejected_before_it_is_sent(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    account = summary(replay(jsonl(tmp_path / "f.jsonl", VIEW, BUY | change, VIEW), "jsonlog", "--json"))
    assert (account["lines"], account["sent"], account["reasons"]) == (3, 2, {reason: 1})
    assert rejects(account)[0]["line_number"] == "2"


def test_numbers_that_others_read_differently(tmp_path: Path) -> None:
    lines = [
        json.dumps(BUY | {"discount": float("nan")}),
        json.dumps(VIEW | {"price": float("nan")}),
        json.dumps(VIEW | {"price": "NaN"}),
        json.dumps(VIEW | {"price": "1_000"}),
        json.dumps(VIEW | {"price": float("inf")}),
        json.dumps(VIEW | {"user_id": float("nan")}),
        json.dumps(VIEW | {"user_id": 12345678901234567890123}),
        json.dumps(VIEW | {"user_id": 12345678901234567890124}),
        json.dumps(VIEW | {"user_id": "x"})[:-1] + ', "search_query": "\\ud800"}',
    ]
    events: list[dict[str, Any]] = []
    account = run_of(jsonl(tmp_path / "f.jsonl", *lines), Recorder(events))
    assert account.reasons == {
        "price: not a number": 4, "user_id: not a text": 1, "search_query: has half a character: an unpaired surrogate": 1,
    }  # fmt: skip
    assert [event["user_id"] for event in events] == ["u", "12345678901234567890123", "12345678901234567890124"]


class Recorder(sending.NoSender):
    """Keeps the events that it gets."""

    def __init__(self, events: list[dict[str, Any]]) -> None:
        self.events = events

    def send(self, records: Records, numbers: Sequence[int]) -> None:
        self.events += [json.loads(value) for value in records.values if value]


def run_of(file: Path, sender: sending.Sender, mapping: str = "jsonlog") -> Account:
    """Returns the account after the file was sent."""
    rejected = io.StringIO()
    rejected.name = "rejects.csv"
    run = Run(file, mappings.load(mapping), EventLimits.at(NOW + 10**9, Settings()), Account(rejected))
    run.send(sender)
    return run.account


def test_rejected_lines_are_in_no_session(tmp_path: Path) -> None:
    minutes = 60_000
    lines = [VIEW, VIEW | {"timestamp": NOW + 20 * minutes, "quantity": 10**6}, VIEW | {"timestamp": NOW + 40 * minutes}]
    events: list[dict[str, Any]] = []
    account = run_of(jsonl(tmp_path / "f.jsonl", *lines), Recorder(events))
    assert account.rejected == 1
    assert len({event["session_id"] for event in events}) == 2


def test_of_a_damaged_file_the_rest_is_sent_and_the_exit_code_is_1(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "f.jsonl.gz", *(VIEW | {"user_id": f"u{n}"} for n in range(5000)))
    path.write_bytes(path.read_bytes()[:-3000])
    result = replay(path, "jsonlog", "--json")
    account = summary(result)
    assert result.exit_code == 1
    assert account["lines"] == account["sent"] + account["rejected"] > 1000
    assert account["rejected"] <= 1
    assert "damaged gzip: the file ends before its content does" in account["not_read"]
    assert result.stderr.startswith("error: ")
    assert "damaged gzip" in result.stderr


def test_a_file_of_which_nothing_can_be_sent_ends_with_exit_code_1(tmp_path: Path) -> None:
    result = replay(jsonl(tmp_path / "f.jsonl", VIEW | {"timestamp": 5}, VIEW | {"timestamp": 6}))
    assert result.exit_code == 1
    assert "  2 x event_time: is before 2000-01-01 (CLICKSTREAM_EVENT_EARLIEST) (first: line 1)" in result.stdout
    assert result.stderr.endswith("no line can be sent: see the reasons above, and correct the mapping or the file\n")


def test_an_optional_field_that_no_line_has_is_a_warning(tmp_path: Path) -> None:
    account = summary(replay(jsonl(tmp_path / "f.jsonl", BUY), "jsonlog", "--json"))
    [warning] = account["warnings"]
    assert warning.startswith("no line has a value for ")
    assert "search_query (from search_query or query)" in warning
    assert "price" not in warning


def test_a_key_that_appears_late_is_no_missing_column(tmp_path: Path) -> None:
    login = {"timestamp": NOW, "user_id": "u", "event_type": "login"}
    account = summary(replay(jsonl(tmp_path / "f.jsonl", *[login] * 3000, VIEW), "jsonlog", "--json"))
    assert (account["lines"], account["sent"]) == (3001, 3001)


def test_an_error_that_nobody_expects_rejects_only_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events_of_line = mappings.Mapping.events

    def events(self: mappings.Mapping, values: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"event_time": 1 // values.get("divisor", 1)}] if "divisor" in values else events_of_line(self, values)

    monkeypatch.setattr(mappings.Mapping, "events", events)
    account = summary(replay(jsonl(tmp_path / "f.jsonl", VIEW, VIEW | {"divisor": 0}, VIEW), "jsonlog", "--json"))
    assert (account["sent"], account["reasons"]) == (2, {"cannot be mapped": 1})
    assert rejects(account)[0]["reason"].startswith("cannot be mapped: ZeroDivisionError")


class Unreliable(Recorder):
    """Fails at its second batch, and knows whether it was flushed."""

    is_flushed = False

    def send(self, records: Records, numbers: Sequence[int]) -> None:
        if self.events:
            raise SendError("the broker is gone")
        super().send(records, numbers)

    def flush(self) -> None:
        self.is_flushed = True


def test_what_was_sent_before_an_error_is_flushed_and_in_the_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "BATCH", 50)
    path = jsonl(tmp_path / "f.jsonl", *(VIEW | {"user_id": f"u{n}"} for n in range(3 * sending.BATCH)))
    sender, rejected = Unreliable([]), io.StringIO()
    rejected.name = "rejects.csv"
    run = Run(path, mappings.load("jsonlog"), EventLimits.at(NOW, Settings()), Account(rejected))
    with pytest.raises(SendError):
        run.send(sender)
    assert sender.is_flushed
    assert len(sender.events) == sending.BATCH
    assert run.summary()["not_read"].startswith(f"stopped after {2 * sending.BATCH} lines by SendError")


def test_an_absurd_product_does_not_spoil_the_master_data(tmp_path: Path) -> None:
    item = {"item_id": "A", "item_name": "Cup", "price": 5}
    line = {"event_name": "view_item", "event_timestamp": NOW * 1000, "user_pseudo_id": "d", "event_params": []}
    odd = json.dumps(line | {"items": [item | {"item_id": "C", "item_name": "X"}]}).replace('"X"', '"\\ud800"')
    path = jsonl(tmp_path / "f.jsonl", line | {"items": [item]}, odd, line | {"items": [item | {"item_id": "B"}]})
    rejected = io.StringIO()
    rejected.name = "rejects.csv"
    run = Run(path, mappings.load("ga4"), EventLimits.at(NOW, Settings()), Account(rejected))
    run.send(sending.NoSender())
    assert run.account.sent == 3
    assert run.products.table().column("product_id").to_pylist() == ["A", "B"]

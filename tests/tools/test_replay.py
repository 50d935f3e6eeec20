"""Replay: the bundled mappings give the expected events, and every line of a file is sent or rejected with a reason."""

import gzip
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from tests.evaluation_data import evaluation_file
from tools.common.command import UsageError
from tools.replay import mapping as mappings
from tools.replay import sources
from tools.replay.__main__ import app
from tools.replay.account import Account
from tools.replay.events import Mapped, Products, Rejected, derive_sessions, map_lines

REES46 = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"
VIEW = "2019-10-01 00:00:00 UTC,view,44600062,2103807459595387724,,shiseido,35.79,541312140,72d76fde\n"
CART = "2019-10-01 00:00:05 UTC,cart,44600062,2103807459595387724,,shiseido,35.79,541312140,72d76fde\n"


def mapped(path: Path, name: str) -> tuple[list[dict[str, Any]], list[Rejected], Products]:
    """Returns the events of a file, its rejected lines and its product states."""
    rules, products = mappings.load(name), Products()
    rules.require_columns(sources.columns(path), str(path))
    sessions = derive_sessions(sources.read(path), rules) if rules.derives_sessions else None
    results = list(map_lines(sources.read(path), rules, sessions, products))
    events = [event for result in results if isinstance(result, Mapped) for event in result.events]
    return events, [result for result in results if isinstance(result, Rejected)], products


def write(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def jsonl(path: Path, *lines: dict[str, Any]) -> Path:
    return write(path, "".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize("name", ["f.csv", "f.csv.gz"])
def test_rees46_lines_become_events_of_the_contract(tmp_path: Path, name: str) -> None:
    events, rejected, products = mapped(write(tmp_path / name, REES46 + VIEW + CART), "rees46")
    assert rejected == []
    assert events[0] == {
        "event_id": events[0]["event_id"],
        "event_type": "view_item",
        "event_time": 1569888000000,
        "product_id": "44600062",
        "quantity": 1,
        "price": 35.79,
        "currency": "USD",
        "user_id": "541312140",
        "session_id": "72d76fde",
        "schema_version": 1,
        "producer": "replay-rees46",
    }
    assert events[1]["event_type"] == "add_to_cart"
    assert [s["brand"] for s in products.states] == ["shiseido"]
    assert products.table().to_pylist()[0]["updated_at"] == datetime(2019, 10, 1, tzinfo=UTC)


def test_equal_lines_are_one_event_and_the_same_file_gives_the_same_ids(tmp_path: Path) -> None:
    path = write(tmp_path / "f.csv", REES46 + VIEW + VIEW + CART)
    ids = [event["event_id"] for event in mapped(path, "rees46")[0]]
    assert ids[0] == ids[1] != ids[2]
    assert ids == [event["event_id"] for event in mapped(path, "rees46")[0]]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("2019-10-01 02:50:00 UTC,view,10900305,205", "4 values for 9 columns"),
        (VIEW.replace("view", "stare"), "event_type: value is not in the mapping"),
        (VIEW.replace("2019-10-01 00", "yesterday"), "event_time: not a time"),
        (VIEW.replace("35.79", "cheap"), "price: not a number"),
        (VIEW.replace("35.79", "nan"), "price: not a number"),
    ],
)
def test_a_line_that_cannot_be_mapped_is_rejected_with_number_and_reason(tmp_path: Path, line: str, reason: str) -> None:
    path = write(tmp_path / "f.csv", REES46 + VIEW + line.removesuffix("\n") + "\n" + CART)
    events, rejected, _ = mapped(path, "rees46")
    assert len(events) == 2
    assert [(r.line.number, r.reason) for r in rejected] == [(3, reason)]
    assert rejected[0].line.text == line.rstrip("\n")


def test_line_numbers_and_texts_are_right_after_a_quoted_line_break(tmp_path: Path) -> None:
    _, rejected, products = mapped(write(tmp_path / "f.csv", REES46 + VIEW.replace("shiseido", '"shi\nseido"') + "cut,off\n"), "rees46")
    assert products.states[0]["brand"] == "shi\nseido"
    assert [(r.line.number, r.line.text) for r in rejected] == [(4, "cut,off")]


def test_lines_that_are_not_utf8_are_rejected_unchanged(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_bytes((REES46 + VIEW).encode() + VIEW.encode().replace(b"shiseido", b"\xff\xfe"))
    events, rejected, _ = mapped(tmp_path / "f.csv", "rees46")
    assert (len(events), [r.reason for r in rejected]) == (1, ["not UTF-8"])
    assert b"\xff\xfe" in rejected[0].line.text.encode(errors="surrogateescape")


def test_every_line_is_counted_and_rejected_ones_are_in_the_reject_file(tmp_path: Path) -> None:
    path = write(tmp_path / "f.csv", REES46 + VIEW + "cut,off\n" + CART + "\n")
    rejects = io.StringIO()
    rejects.name = "rejects.csv"
    counts = Account(rejects)
    events = list(counts.events_of(map_lines(sources.read(path), mappings.load("rees46"), None, Products())))
    assert counts.summary(mappings.load("rees46")) == {
        "lines": 3, "sent": 2, "events": 2, "rejected": 1, "reasons": {"2 values for 9 columns": 1}, "gaps": {},
        "rejects_file": "rejects.csv", "not_read": "", "warnings": [],
    }  # fmt: skip
    assert len(events) == 2
    assert rejects.getvalue().splitlines()[1:] == ['3,2 values for 9 columns,"cut,off"']


def test_jsonlog_events_have_derived_sessions(tmp_path: Path) -> None:
    def line(time: str | int, user: str | None, kind: str = "view") -> dict[str, Any]:
        return {"timestamp": time, "user_id": user, "product_id": 17.0, "event_type": kind}

    path = jsonl(
        tmp_path / "log.jsonl",
        line("2026-01-01T10:40:00Z", "u1", "payment_failed"),
        line("2026-01-01T10:00:00Z", "u1"),
        line("2026-01-01T11:20:01+00:00", "u1", "login"),
        line("2026-01-01T10:25:00Z", "u1", "add_to_cart"),
        line(1767261600, "u2"),
        line("2026-01-01T10:00:00", None),
    )
    events, rejected, _ = mapped(path, "jsonlog")
    assert rejected == []
    assert [e["event_type"] for e in events[:4]] == ["payment_failed", "view_item", "login", "add_to_cart"]
    assert events[0]["product_id"] == "17"
    assert events[4]["event_time"] == events[5]["event_time"] == events[1]["event_time"]
    sessions = [event["session_id"] for event in events]
    # 10:00, 10:25 and 10:40 are one session in any order of the lines; 11:20:01 is more than 30 minutes later.
    assert sessions[0] == sessions[1] == sessions[3]
    assert len(set(sessions)) == 4


def test_jsonlog_lines_that_are_no_json_object_are_rejected(tmp_path: Path) -> None:
    good = json.dumps({"timestamp": "2026-01-01T10:00:00Z", "user_id": "u", "product_id": "p", "event_type": "view"})
    path = write(tmp_path / "log.jsonl", f'{good}\n{good[:-5]}\n[1]\n\n{{"timestamp": 5}}\n')
    events, rejected, _ = mapped(path, "jsonlog")
    assert len(events) == 1
    assert [(r.line.number, r.reason) for r in rejected] == [(2, "not JSON"), (3, "not a JSON object"), (5, "event_type: no value")]


def test_ga4_lines_give_one_event_for_each_item(tmp_path: Path) -> None:
    purchase = {
        "event_name": "purchase",
        "event_timestamp": "1767312000123456",
        "user_pseudo_id": "7.8",
        "event_params": [
            {"key": "ga_session_id", "value": {"string_value": None, "int_value": 99}},
            {"key": "currency", "value": {"string_value": "EUR"}},
        ],
        "ecommerce": {"transaction_id": "T1"},
        "items": [{"item_id": "A", "price": 5.5, "quantity": 2, "item_name": "Cup"}, {"item_id": "B", "price": 1.0, "quantity": 1}],
    }
    scroll = {**purchase, "event_name": "scroll", "items": []}
    page = {**purchase, "event_name": "page_view", "items": []}
    events, rejected, products = mapped(jsonl(tmp_path / "ga4.jsonl", purchase, scroll, page), "ga4")
    assert [(e["product_id"], e["quantity"], e["price"]) for e in events[:2]] == [("A", 2, 5.5), ("B", 1, 1.0)]
    assert {(e["order_id"], e["session_id"], e["event_time"], e["currency"]) for e in events[:2]} == {
        ("T1", "7.8.99", 1767312000123, "EUR")
    }
    assert len({e["event_id"] for e in events}) == 3
    assert "product_id" not in events[2]
    assert [r.message for r in rejected] == ["event_type: value is not in the mapping: 'scroll', add it to `values` of event_type"]
    assert [s["name"] for s in products.states] == ["Cup", None]


def test_parquet_columns_keep_their_types(tmp_path: Path) -> None:
    own = {"fields": {"event_time": "at", "event_type": "what", "session_id": "visit", "price": {"from": "price", "optional": True}}}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(own))
    table = pa.table(
        {"at": [datetime(2026, 1, 1, tzinfo=UTC)] * 2, "what": ["view_item", "purchase"], "visit": [1.0, 2.0], "price": [None, 3]}
    )
    pq.write_table(table, tmp_path / "f.parquet")
    events, rejected, _ = mapped(tmp_path / "f.parquet", str(tmp_path / "own.yaml"))
    assert rejected == []
    assert [(e["event_time"], e["session_id"], e.get("price")) for e in events] == [(1767225600000, "1", None), (1767225600000, "2", 3.0)]


def test_every_line_of_the_real_file_is_counted(data_dir: Path) -> None:
    path = evaluation_file(data_dir, "rees46-sample/events_2019-10-01_first3h.csv.gz")
    events, rejected, products = mapped(path, "rees46")
    assert len(events) + len(rejected) == 17_435
    assert [(r.line.number, r.reason) for r in rejected] == [(17_436, "8 values for 9 columns")]
    assert len(events) - len({e["event_id"] for e in events}) == 5
    assert {e["event_type"] for e in events} == {"view_item", "add_to_cart", "purchase"}
    assert len({s["product_id"] for s in products.states}) == len({e["product_id"] for e in events})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("fields: {event_time: t}", "event_type is missing"),
        ("fields: {event_time: t, event_type: e, colour: c}", "unknown key 'colour'"),
        ("fields: {event_time: t, event_type: e}", "session_id is missing: add it, or user_id"),
        ("fields: {event_time: {from: t, time: stardate}, event_type: e, session_id: s}", "time 'stardate'"),
        ("fields: {event_time: {}, event_type: e, session_id: s}", "give `from` or `constant`"),
        ("fields: [", "not valid YAML"),
        ("hello", "key `fields` is missing"),
    ],
)
def test_the_error_for_a_wrong_mapping_names_the_key(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(content)
    with pytest.raises(UsageError, match=message):
        mappings.load(str(path))


@pytest.mark.parametrize(
    ("name", "content", "mapping", "message"),
    [
        ("f.csv", b"event_time,event_type,product_id,price,user_id\n1,2,3,4,5\n", "rees46", "no column 'user_session'"),
        ("f.csv", b"", "rees46", "the file has no line of data"),
        ("f.csv", REES46.encode(), "rees46", "the file has no line of data"),
        ("f.xlsx", b"x", "rees46", "unknown suffix '.xlsx'"),
        ("f.csv", b"x", "rees64", "no mapping 'rees64': use ga4, jsonlog"),
        ("f.csv.gz", b"no gzip", "rees46", "damaged"),
        ("f.parquet", b"no parquet", "rees46", "damaged"),
        ("f.jsonl", b'{"timestamp": 1, "user_id": 2, "product_id": 3}\n', "jsonlog", "no column 'event_type'"),
    ],
)
def test_an_unusable_file_is_reported_in_one_line_before_anything_is_sent(
    tmp_path: Path, name: str, content: bytes, mapping: str, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    done = CliRunner().invoke(app, ["--file", str(tmp_path / name), "--mapping", mapping])
    assert done.exit_code == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_events_of_one_line_have_different_ids_when_the_file_has_an_event_id() -> None:
    from tools.replay.events import _complete

    ids = [_complete({"event_id": "line-7", "event_time": 0}, "hash", number, None)["event_id"] for number in range(3)]
    assert ids == ["line-7", "line-7-1", "line-7-2"]

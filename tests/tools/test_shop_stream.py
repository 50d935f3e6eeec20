"""The stream: the same seed gives the same bytes, faults are declared, events keep the contract."""

from datetime import date

import numpy as np
import orjson
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from clickstream_contracts import names, schema
from tools.kafka.producer import Records
from tools.ledger.record_kinds import BROKEN, GOOD, RANDOM_FAULTS, kind_code
from tools.shop import master
from tools.shop.__main__ import app
from tools.shop.breakage import BREAKERS
from tools.shop.encode import Encoder
from tools.shop.faults import Faults
from tools.shop.run import Numbered, Part
from tools.shop.shoppers import Window
from tools.shop.stream import Shop, arrivals, days
from tools.shop.world import DAY_MS, World

WORLD = World(5, people=500, products=300)
LAST = date(2026, 1, 3)


def sent(faults: Faults, windows: list[Window] | None = None, world: World = WORLD) -> Records:
    """All records of a small shop."""
    rows = np.concatenate(list(arrivals(Shop(world, faults), windows or days(LAST, 2, 4_000))))
    return Encoder(world).records(rows)


def test_the_same_seed_sends_the_same_bytes() -> None:
    again = World(5, people=500, products=300)
    assert sent(Faults(broken=0.05)) == sent(Faults(broken=0.05), world=again)


def test_another_seed_sends_other_events() -> None:
    other = World(6, people=500, products=300)
    assert not set(sent(Faults()).ids) & set(sent(Faults(), world=other).ids)


def test_a_day_does_not_depend_on_the_days_around_it() -> None:
    both, first, second = (
        set(sent(Faults(), w).ids) for w in (days(LAST, 2, 4_000), days(date(2026, 1, 2), 1, 2_000), days(LAST, 1, 2_000))
    )
    assert both == first | second


def test_days_of_another_size_share_no_ids() -> None:
    """Else the lake would take different events for repeats."""
    assert not set(sent(Faults(), days(LAST, 1, 2_000)).ids) & set(sent(Faults(), days(LAST, 1, 2_001)).ids)


def test_good_events_keep_the_contract() -> None:
    records = sent(Faults(broken=0))
    fields = {f.name: f for f in schema.event().fields}
    for value in records.values:
        event = orjson.loads(value or b"")
        assert set(event) <= set(fields)
        assert all(event[f.name] is not None for f in fields.values() if f.required)
        assert event["event_type"] in fields["event_type"].choices
        assert isinstance(event["event_time"], int)
    assert {len(event_id) for event_id in records.ids} == {32}


def test_key_and_value_name_the_same_session() -> None:
    records = sent(Faults(broken=0))
    assert [orjson.loads(v or b"")["session_id"].encode() for v in records.values] == records.keys


def test_only_duplicates_repeat_an_id_and_they_repeat_the_bytes() -> None:
    records = sent(Faults(duplicates=0.05))
    first = {i: v for i, v, kind in zip(records.ids, records.values, records.kinds, strict=True) if kind != "duplicate"}
    repeats = [(i, v) for i, v, kind in zip(records.ids, records.values, records.kinds, strict=True) if kind == "duplicate"]
    assert len(first) + len(repeats) == len(records)
    assert 100 < len(repeats) < 320
    assert all(first[i] == v for i, v in repeats)


def test_shares_of_faults() -> None:
    records = sent(Faults(duplicates=0.02, broken=0.02, late=0.02, out_of_order=0.1), days(LAST, 1, 20_000))
    share = {kind: records.kinds.count(kind) / 20_000 for kind in GOOD}
    assert share["late"] == pytest.approx(0.02, abs=0.005)
    assert share["delayed"] == pytest.approx(0.1, abs=0.01)
    assert share["duplicate"] == pytest.approx(0.02, abs=0.005)
    broken = [kind for kind in records.kinds if kind in BROKEN]
    assert len(broken) / 20_000 == pytest.approx(0.02, abs=0.005)
    assert set(broken) == set(RANDOM_FAULTS)


def test_arrival_is_ordered_and_only_delayed_or_late_events_are_out_of_order() -> None:
    rows = np.concatenate(list(arrivals(Shop(WORLD, Faults()), days(LAST, 2, 20_000))))
    assert (np.diff(rows["arrival"]) >= 0).all()
    behind = rows["arrival"] - rows["time"]
    assert behind[rows["kind"] == kind_code("on_time")].max() == 0
    assert behind[rows["kind"] == kind_code("delayed")].max() < 60_000
    assert behind[rows["kind"] == kind_code("late")].min() >= 1_800_000


def test_late_events_can_be_kept_for_later() -> None:
    rows = np.concatenate(list(arrivals(Shop(WORLD, Faults()), days(LAST, 1, 20_000))))
    parts = [Part(name).of(rows) for name in ("on-time", "late")]
    assert len(parts[1]) > 10
    assert sorted(np.concatenate(parts)["id"].tolist()) == sorted(Part("all").of(rows)["id"].tolist())


@pytest.mark.parametrize("kind", BREAKERS)
def test_every_kind_of_broken_record_has_a_reason_of_the_contract(kind: str) -> None:
    assert BROKEN[kind] in names.QUARANTINE_REASONS


@pytest.mark.parametrize(("kind", "unreadable"), [("truncated", True), ("bad_utf8", True), ("version_99", False), ("year_2100", False)])
def test_broken_records_are_broken_as_they_say(kind: str, unreadable: bool) -> None:
    event = orjson.loads(sent(Faults(broken=0)).values[0] or b"")
    value = BREAKERS[kind](event)
    if unreadable:
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(value or b"")
    else:
        assert orjson.loads(value or b"") != event


def test_huge_records_are_larger_than_the_stream_takes() -> None:
    records = sent(Faults(broken=0, huge=1), days(LAST, 1, 100))
    assert [len(v or b"") > 1_000_000 for v in records.values].count(True) == 1


def test_a_resumed_run_leaves_out_what_the_broker_has() -> None:
    rows = np.concatenate(list(arrivals(Shop(WORLD, Faults()), days(LAST, 1, 100))))
    numbered = Numbered(frozenset({0, 1, 5}))
    todo, numbers = numbered.todo(rows)
    assert numbers == [n for n in range(len(rows)) if n not in {0, 1, 5}]
    assert todo["id"].tolist() == rows[numbers]["id"].tolist()


def test_prices_in_events_are_the_list_prices_of_the_master_data() -> None:
    start = days(LAST, 2, 0)[0].start
    states = master.products(WORLD, start, start + 2 * DAY_MS).to_pylist()
    rows = np.concatenate(list(arrivals(Shop(WORLD, Faults(0, 0, 0, 0)), days(LAST, 2, 2_000))))
    rows = rows[(rows["product"] >= 0) & (rows["time"] >= start)]
    history: dict[str, list[tuple[int, float]]] = {}
    for state in states:
        history.setdefault(state["product_id"], []).append((round(state["updated_at"].timestamp() * 1000), state["list_price"]))
    views = rows[rows["type"] == 1]
    listed = [max(v for v in history[f"p-{r['product']}"] if v[0] <= r["time"])[1] for r in views]
    same = np.isclose(views["cents"] / 100, listed)
    assert same.mean() > 0.9
    assert np.allclose((views["cents"] / 100)[~same], 0.7 * np.array(listed)[~same], atol=0.01)


def test_master_data_changes_over_time_and_is_stable() -> None:
    start = days(LAST, 60, 0)[0].start
    month, whole = (master.users(WORLD, start, start + n * DAY_MS) for n in (30, 60))
    assert len(whole) > len(month) > WORLD.people
    rows = set(map(str, whole.to_pylist()))
    assert set(map(str, month.to_pylist())) <= rows
    keys = whole.select(["user_id", "updated_at"]).group_by(["user_id", "updated_at"]).aggregate([])
    assert len(keys) == len(whole)
    assert pa.compute.all(pa.compute.less_equal(whole["signed_up_at"], whole["updated_at"])).as_py()


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        (["history", "--until", "yesterday"], "'yesterday' is not a day"),
        (["history", "--until", "2999-01-01"], "not over yet"),
        (["history", "--send", "some"], "use one of all, on-time, late"),
        (["live", "--rate", "5", "--start", "noon"], "milliseconds since 1970"),
        (["history", "--days", "0"], "Invalid value for '--days'"),
        (["live", "--rate", "-1"], "Invalid value for '--rate'"),
    ],
)
def test_wrong_input_is_one_clear_line(argv: list[str], word: str) -> None:
    done = CliRunner().invoke(app, argv)
    assert done.exit_code == 2
    assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_no_kafka_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSTREAM_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    done = CliRunner().invoke(app, ["history"])
    assert done.exit_code == 1
    assert done.stderr.startswith("no Kafka at 127.0.0.1:1")

"""The shop's stream of records: reproducible by its seed, faults in the given shares, events that follow the contract."""

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
from tools.shop.broken_records import BREAKERS
from tools.shop.encode import Encoder
from tools.shop.faults import Faults
from tools.shop.run import Numbering, select
from tools.shop.shoppers import Window
from tools.shop.stream import Shop, arrivals, days
from tools.shop.world import DAY_MS, World

WORLD = World(5, people=500, products=300)
LAST = date(2026, 1, 3)


def records_of(faults: Faults, windows: list[Window] | None = None, world: World = WORLD) -> Records:
    """Returns all records of a small shop."""
    rows = np.concatenate(list(arrivals(Shop(world, faults), windows or days(LAST, 2, 4_000))))
    return Encoder(world).records(rows)


def test_the_same_seed_sends_the_same_bytes() -> None:
    same_world = World(5, people=500, products=300)
    assert records_of(Faults(broken=0.05)) == records_of(Faults(broken=0.05), world=same_world)


def test_another_seed_sends_events_with_other_ids() -> None:
    other = World(6, people=500, products=300)
    assert not set(records_of(Faults()).ids) & set(records_of(Faults(), world=other).ids)


def test_the_events_of_a_day_do_not_depend_on_other_days() -> None:
    both_days, first_day, second_day = days(LAST, 2, 4_000), days(date(2026, 1, 2), 1, 2_000), days(LAST, 1, 2_000)
    ids = set(records_of(Faults(), both_days).ids)
    assert ids == set(records_of(Faults(), first_day).ids) | set(records_of(Faults(), second_day).ids)


def test_days_of_another_size_share_no_ids() -> None:
    """Otherwise the lake would treat different events as duplicates."""
    assert not set(records_of(Faults(), days(LAST, 1, 2_000)).ids) & set(records_of(Faults(), days(LAST, 1, 2_001)).ids)


def test_good_events_follow_the_contract() -> None:
    records = records_of(Faults(broken=0))
    fields = {f.name: f for f in schema.event().fields}
    for value in records.values:
        event = orjson.loads(value or b"")
        assert set(event) <= set(fields)
        assert all(event[f.name] is not None for f in fields.values() if f.required)
        assert event["event_type"] in fields["event_type"].choices
        assert isinstance(event["event_time"], int)
    assert {len(event_id) for event_id in records.ids} == {32}


def test_key_and_value_hold_the_same_session() -> None:
    records = records_of(Faults(broken=0))
    assert [orjson.loads(v or b"")["session_id"].encode() for v in records.values] == records.keys


def test_only_duplicates_repeat_an_id_and_their_value_is_the_same() -> None:
    records = records_of(Faults(duplicates=0.05))
    rows = list(zip(records.ids, records.values, records.kinds, strict=True))
    originals = {event_id: value for event_id, value, kind in rows if kind != "duplicate"}
    duplicates = [(event_id, value) for event_id, value, kind in rows if kind == "duplicate"]
    assert len(originals) + len(duplicates) == len(records)
    assert 100 < len(duplicates) < 320
    assert all(originals[event_id] == value for event_id, value in duplicates)


def test_each_fault_occurs_in_its_given_share() -> None:
    records = records_of(Faults(duplicates=0.02, broken=0.02, late=0.02, out_of_order=0.1), days(LAST, 1, 20_000))
    share = {kind: records.kinds.count(kind) / 20_000 for kind in GOOD}
    assert share["late"] == pytest.approx(0.02, abs=0.005)
    assert share["delayed"] == pytest.approx(0.1, abs=0.01)
    assert share["duplicate"] == pytest.approx(0.02, abs=0.005)
    broken = [kind for kind in records.kinds if kind in BROKEN]
    assert len(broken) / 20_000 == pytest.approx(0.02, abs=0.005)
    assert set(broken) == set(RANDOM_FAULTS)


def test_records_are_in_order_of_arrival_and_only_delayed_or_late_events_are_out_of_order() -> None:
    rows = np.concatenate(list(arrivals(Shop(WORLD, Faults()), days(LAST, 2, 20_000))))
    assert (np.diff(rows["arrival"]) >= 0).all()
    delay = rows["arrival"] - rows["time"]
    assert delay[rows["kind"] == kind_code("on_time")].max() == 0
    assert delay[rows["kind"] == kind_code("delayed")].max() < 60_000
    assert delay[rows["kind"] == kind_code("late")].min() >= 1_800_000


def test_late_events_and_the_others_can_be_sent_separately() -> None:
    rows = np.concatenate(list(arrivals(Shop(WORLD, Faults()), days(LAST, 1, 20_000))))
    on_time, late = select(rows, "on-time"), select(rows, "late")
    assert len(late) > 10
    assert sorted(np.concatenate([on_time, late])["id"].tolist()) == sorted(select(rows, "all")["id"].tolist())


@pytest.mark.parametrize("kind", BREAKERS)
def test_every_kind_of_broken_record_has_a_quarantine_reason(kind: str) -> None:
    assert BROKEN[kind] in names.QUARANTINE_REASONS


@pytest.mark.parametrize(("kind", "unreadable"), [("truncated", True), ("bad_utf8", True), ("version_99", False), ("year_2100", False)])
def test_truncated_and_bad_utf8_are_no_json_and_other_kinds_are(kind: str, unreadable: bool) -> None:
    event = orjson.loads(records_of(Faults(broken=0)).values[0] or b"")
    value = BREAKERS[kind](event)
    if unreadable:
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(value or b"")
    else:
        assert orjson.loads(value or b"") != event


def test_huge_records_are_larger_than_the_stream_accepts() -> None:
    records = records_of(Faults(broken=0, huge=1), days(LAST, 1, 100))
    assert [len(v or b"") > 1_000_000 for v in records.values].count(True) == 1


def test_a_resumed_run_leaves_out_acknowledged_records() -> None:
    rows = np.concatenate(list(arrivals(Shop(WORLD, Faults()), days(LAST, 1, 100))))
    remaining, numbers = Numbering(frozenset({0, 1, 5})).number(rows)
    assert numbers == [n for n in range(len(rows)) if n not in {0, 1, 5}]
    assert remaining["id"].tolist() == rows[numbers]["id"].tolist()


def test_prices_in_events_are_the_list_prices_of_the_master_data() -> None:
    start = days(LAST, 2, 0)[0].start
    states = master.products(WORLD, start, start + 2 * DAY_MS).to_pylist()
    rows = np.concatenate(list(arrivals(Shop(WORLD, Faults(0, 0, 0, 0)), days(LAST, 2, 2_000))))
    rows = rows[(rows["product"] >= 0) & (rows["time"] >= start)]
    history: dict[str, list[tuple[int, float]]] = {}
    for state in states:
        history.setdefault(state["product_id"], []).append((round(state["updated_at"].timestamp() * 1000), state["list_price"]))
    views = rows[rows["type"] == 1]
    list_prices = []
    for view in views:
        _, list_price = max(state for state in history[f"p-{view['product']}"] if state[0] <= view["time"])
        list_prices.append(list_price)
    is_list_price = np.isclose(views["cents"] / 100, list_prices)
    assert is_list_price.mean() > 0.9
    # The others are flash sale prices.
    assert np.allclose((views["cents"] / 100)[~is_list_price], 0.7 * np.array(list_prices)[~is_list_price], atol=0.01)


def test_states_of_a_longer_period_include_those_of_a_shorter_one() -> None:
    start = days(LAST, 60, 0)[0].start
    one_month, two_months = (master.users(WORLD, start, start + n * DAY_MS) for n in (30, 60))
    assert len(two_months) > len(one_month) > WORLD.people
    rows = set(map(str, two_months.to_pylist()))
    assert set(map(str, one_month.to_pylist())) <= rows
    keys = two_months.select(["user_id", "updated_at"]).group_by(["user_id", "updated_at"]).aggregate([])
    assert len(keys) == len(two_months)
    assert pa.compute.all(pa.compute.less_equal(two_months["signed_up_at"], two_months["updated_at"])).as_py()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["history", "--until", "yesterday"], "'yesterday' is not a day"),
        (["history", "--until", "2999-01-01"], "not over yet"),
        (["history", "--send", "some"], "use one of all, on-time, late"),
        (["live", "--rate", "5", "--start", "noon"], "milliseconds since 1970"),
        (["history", "--days", "0"], "Invalid value for '--days'"),
        (["live", "--rate", "-1"], "Invalid value for '--rate'"),
    ],
)
def test_the_error_for_a_wrong_option_names_the_value(argv: list[str], message: str) -> None:
    done = CliRunner().invoke(app, argv)
    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unreachable_kafka_is_reported_with_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSTREAM_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    done = CliRunner().invoke(app, ["history"])
    assert done.exit_code == 1
    assert done.stderr.startswith("error: cannot connect to Kafka at 127.0.0.1:1 (PLAINTEXT)")

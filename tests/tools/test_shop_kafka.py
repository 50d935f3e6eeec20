"""Records of the shop are in Kafka, and the ledger holds partition and offset of each."""

import json
import time
from datetime import date
from uuid import uuid4

import pytest

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from tests.shop_day import Shop as StackShop
from tools.kafka.producer import Sender
from tools.kafka.reader import end_offsets, records
from tools.ledger import reader
from tools.ledger.journal import Journal
from tools.shop.encode import Encoder
from tools.shop.faults import Faults
from tools.shop.labels import LabelFile, folder
from tools.shop.run import Numbering, Output, history, preparation_seconds
from tools.shop.stream import Shop, days
from tools.shop.world import World

SHOP = Shop(World(3, people=500, products=300), Faults(duplicates=0.01, broken=0.01, huge=1))
WINDOWS = days(date(2026, 1, 3), 1, 3_000)


@pytest.fixture
def settings(shop: StackShop) -> Settings:
    """The shared stack's settings: its ledger must hold these records too, because other tests check the whole topic."""
    return shop.settings


@pytest.fixture
def run() -> str:
    return f"test_{uuid4().hex[:8]}"


def send(settings: Settings, run: str, numbering: Numbering) -> Sender:
    """Send the windows as a run."""
    with Journal(settings, run, {}) as journal, LabelFile(folder(settings) / f"{run}.jsonl") as labels:
        sender = Sender(settings, journal)
        output = Output(Encoder(SHOP.world), sender, numbering, labels)
        history(SHOP, WINDOWS, "all", output, lambda count: None)
    return sender


def test_the_ledger_holds_partition_and_offset_of_every_record(settings: Settings, run: str) -> None:
    start = end_offsets(settings)
    sender = send(settings, run, Numbering(frozenset()))
    messages = records(settings, names.CLICKS_TOPIC, start)
    values = {(message.partition(), message.offset()): message.value() or b"" for message in messages}
    entries = reader.entries(settings, run).to_pylist()
    assert sender.acknowledged == sender.sent.total() == len(entries) == len(values)
    assert {(entry["partition"], entry["offset"]) for entry in entries} == set(values)
    good = [entry for entry in entries if entry["kind"] in ("on_time", "late", "delayed", "duplicate")]
    assert all(entry["event_id"].encode() in values[entry["partition"], entry["offset"]] for entry in good)
    assert max(len(value) for value in values.values()) > 5_000_000


def test_a_resumed_run_sends_only_records_that_are_not_acknowledged(settings: Settings, run: str) -> None:
    send(settings, run, Numbering(frozenset()))
    sent = reader.acknowledged_numbers(settings, run)
    half = frozenset(number for number in sent if number % 2)
    start = end_offsets(settings)
    send(settings, run, Numbering(half))
    assert sum(end_offsets(settings).values()) - sum(start.values()) == len(sent) - len(half)


def test_a_live_shop_is_prepared_before_its_start_and_sends_no_event_before_its_event_time(shop: StackShop) -> None:
    start, command_time = end_offsets(shop.settings), time.time()
    without_faults = ("--duplicates", "0", "--broken", "0", "--late", "0", "--out-of-order", "0")
    argv = ("live", "--rate", "100", "--seconds", "5", "--users", "500", *without_faults, "--json")
    summary = json.loads(shop.run("tools.shop", *argv).stdout)
    messages = records(shop.settings, names.CLICKS_TOPIC, start)
    times = [(json.loads(message.value() or b"")["event_time"], message.timestamp()[1]) for message in messages]
    assert len(times) == summary["sent"] > 100
    assert summary["start"] / 1000 - command_time >= preparation_seconds(100)
    assert min(event_time for event_time, _ in times) >= summary["start"]
    assert all(event_time <= arrival for event_time, arrival in times)
    print(f"the first record arrived {min(arrival for _, arrival in times) - summary['start']} ms after the start")

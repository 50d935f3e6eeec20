"""What is sent is in Kafka, and the ledger says where."""

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
from tools.shop.labels import Labels, folder
from tools.shop.run import Door, Numbered, Part, history, opening_seconds
from tools.shop.stream import Shop, days
from tools.shop.world import World

SHOP = Shop(World(3, people=500, products=300), Faults(duplicates=0.01, broken=0.01, huge=1))
WINDOWS = days(date(2026, 1, 3), 1, 3_000)


@pytest.fixture
def settings(shop: StackShop) -> Settings:
    """The shared stack's own, ledger included: what other tests check must know of these records too."""
    return shop.settings


@pytest.fixture
def run() -> str:
    return f"test_{uuid4().hex[:8]}"


def send(settings: Settings, run: str, numbered: Numbered) -> Sender:
    """Send the windows under a run."""
    with Journal(settings, run, {}) as journal, Labels(folder(settings) / f"{run}.jsonl") as labels:
        sender = Sender(settings, journal)
        history(SHOP, WINDOWS, Part(), Door(Encoder(SHOP.world), sender, numbered, labels), lambda count: None)
    return sender


def test_the_ledger_names_the_place_of_every_record(settings: Settings, run: str) -> None:
    start = end_offsets(settings)
    sender = send(settings, run, Numbered(frozenset()))
    found = {(one.partition(), one.offset()): one.value() for one in records(settings, names.CLICKS_TOPIC, start)}
    noted = reader.entries(settings, run).to_pylist()
    assert sender.acknowledged == sender.sent.total() == len(noted) == len(found)
    assert {(n["partition"], n["offset"]) for n in noted} == set(found)
    good = [n for n in noted if n["kind"] in ("on_time", "late", "delayed", "duplicate")]
    assert all(n["event_id"].encode() in (found[n["partition"], n["offset"]] or b"") for n in good)
    assert max(len(value or b"") for value in found.values()) > 5_000_000


def test_a_killed_run_that_is_resumed_sends_the_rest_alone(settings: Settings, run: str) -> None:
    send(settings, run, Numbered(frozenset()))
    everything = reader.acknowledged_numbers(settings, run)
    half = frozenset(number for number in everything if number % 2)
    start = end_offsets(settings)
    send(settings, run, Numbered(half))
    assert sum(end_offsets(settings).values()) - sum(start.values()) == len(everything) - len(half)


def test_a_live_shop_is_prepared_before_it_opens_and_sends_nothing_before_it_happened(shop: StackShop) -> None:
    start = end_offsets(shop.settings)
    begun, faultless = time.time(), ("--duplicates", "0", "--broken", "0", "--late", "0", "--out-of-order", "0")
    asked = ("--rate", "100", "--seconds", "5", "--users", "500", *faultless)
    told = json.loads(shop.run("tools.shop", "live", *asked, "--json").stdout)
    taken = records(shop.settings, names.CLICKS_TOPIC, start)
    moments = [(json.loads(one.value() or b"")["event_time"], one.timestamp()[1]) for one in taken]
    assert len(moments) == told["sent"] > 100
    assert told["start"] / 1000 - begun >= opening_seconds(100)
    assert min(happened for happened, _ in moments) >= told["start"]
    assert all(happened <= arrived for happened, arrived in moments)
    print(f"the first is there {min(arrived for _, arrived in moments) - told['start']} ms after the opening")

"""Attacks of the shop: each kind is planted and labelled, no label travels, and a resumed run keeps the labels it has."""

from datetime import date
from pathlib import Path

from tools.shop import corpus
from tools.shop.attacks import Attackers
from tools.shop.faults import Faults
from tools.shop.labels import KINDS, Labels, by_event, read
from tools.shop.stream import SOURCES, Shop, days, traffic
from tools.shop.world import World

SHOP = Shop(World(5, people=500, products=300), Faults(), (*SOURCES, Attackers(2)))
WINDOWS = days(date(2026, 1, 3), 1, 2_000)


def test_each_kind_is_planted_and_its_label_stays_out_of_the_event(tmp_path: Path) -> None:
    corpus.write(SHOP, WINDOWS, tmp_path / "events.json", tmp_path / "labels.jsonl")
    attacks = read([tmp_path / "labels.jsonl"])
    assert sorted(attack.pattern for attack in attacks) == sorted([*KINDS, *KINDS])
    text = (tmp_path / "events.json").read_text()
    assert all(event in text for event in by_event(attacks))
    assert not any(kind in text for kind in KINDS)


def test_the_same_corpus_again_has_each_label_once(tmp_path: Path) -> None:
    for _ in range(2):
        corpus.write(SHOP, WINDOWS, tmp_path / "events.json", tmp_path / "labels.jsonl")
    written = (tmp_path / "labels.jsonl").read_text().splitlines()
    assert len(written) == len(set(written)) > 0


def test_a_run_that_is_resumed_keeps_the_labels_of_its_first_try(tmp_path: Path) -> None:
    rows = traffic(SHOP, WINDOWS[0])
    ids = [str(number) for number in range(len(rows))]
    half = len(rows) // 2
    for part in (slice(0, half), slice(half, None)):
        with Labels(tmp_path / "resumed.jsonl") as labels:
            labels.note(rows[part], ids[part])
    with Labels(tmp_path / "whole.jsonl") as labels:
        labels.note(rows, ids)
    assert by_event(read([tmp_path / "resumed.jsonl"])).keys() == by_event(read([tmp_path / "whole.jsonl"])).keys()

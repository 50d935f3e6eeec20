"""Simulated attacks: each kind is there and labelled, no event holds a label, and a resumed run keeps the labels of its first try."""

from datetime import date
from pathlib import Path

from tools.shop import corpus
from tools.shop.attacks import attackers
from tools.shop.faults import Faults
from tools.shop.labels import KINDS, LabelFile, attack_by_event, read
from tools.shop.stream import SOURCES, Shop, days, traffic
from tools.shop.world import World

SHOP = Shop(World(5, people=500, products=300), Faults(), (*SOURCES, attackers(2)))
WINDOWS = days(date(2026, 1, 3), 1, 2_000)


def test_each_kind_of_attack_is_labelled_and_no_event_holds_a_label(tmp_path: Path) -> None:
    corpus.write(SHOP, WINDOWS, tmp_path / "events.json", tmp_path / "labels.jsonl")
    attacks = read([tmp_path / "labels.jsonl"])
    assert sorted(attack.pattern for attack in attacks) == sorted([*KINDS, *KINDS])
    # Broken records hold bytes that are not UTF-8.
    text = (tmp_path / "events.json").read_text(errors="replace")
    assert all(event in text for event in attack_by_event(attacks))
    assert not any(kind in text for kind in KINDS)


def test_a_corpus_written_twice_has_each_label_once(tmp_path: Path) -> None:
    for _ in range(2):
        corpus.write(SHOP, WINDOWS, tmp_path / "events.json", tmp_path / "labels.jsonl")
    lines = (tmp_path / "labels.jsonl").read_text().splitlines()
    assert len(lines) == len(set(lines)) > 0


def test_a_resumed_run_appends_to_the_labels_of_its_first_try(tmp_path: Path) -> None:
    rows = traffic(SHOP, WINDOWS[0])
    ids = [str(number) for number in range(len(rows))]
    half = len(rows) // 2
    for part in (slice(0, half), slice(half, None)):
        with LabelFile(tmp_path / "resumed.jsonl") as labels:
            labels.write(rows[part], ids[part])
    with LabelFile(tmp_path / "whole.jsonl") as labels:
        labels.write(rows, ids)
    assert attack_by_event(read([tmp_path / "resumed.jsonl"])).keys() == attack_by_event(read([tmp_path / "whole.jsonl"])).keys()

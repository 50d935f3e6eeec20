"""The fraud report counts attacks, delays and false alarms as its columns say."""

import json
from pathlib import Path

from tools.fraud.report import first_flag, measure
from tools.shop.labels import Attack


def write_lines(path: Path, *lines: dict[str, object]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def label(event_id: str, attack: str, pattern: str, time: int) -> dict[str, object]:
    return {"event_id": event_id, "event_time": time, "attack": attack, "pattern": pattern, "pace": "burst"}


def score(event_id: str, decision: str, patterns: str = "") -> dict[str, object]:
    return {"event_id": event_id, "event_type": "purchase", "decision": decision, "patterns": patterns}


def test_the_delay_is_counted_from_the_first_event_of_the_attack() -> None:
    attack = Attack("card_velocity", {"b": 5_000, "a": 2_000, "c": 9_000})
    assert first_flag(attack, {"b", "c"}) == (2, 3.0)
    assert first_flag(attack, {"other"}) is None


def test_attacks_false_alarms_and_lookalikes_are_measured(tmp_path: Path) -> None:
    write_lines(
        tmp_path / "labels.jsonl",
        label("a1", "card_velocity-0-0", "card_velocity", 1_000),
        label("a2", "card_velocity-0-0", "card_velocity", 4_000),
        label("b1", "card_velocity-0-1", "card_velocity", 1_000),
        label("l1", "lookalike_gifts-0-0", "lookalike_gifts", 1_000),
        label("l2", "lookalike_gifts-0-1", "lookalike_gifts", 1_000),
    )
    write_lines(
        tmp_path / "scores" / "part",
        score("a1", "allow"),
        score("a2", "review", "card_velocity"),
        score("b1", "allow"),
        score("l1", "review", "card_velocity"),
        score("good", "allow"),
    )
    write_lines(tmp_path / "alerts" / "part", {"event_id": "a2", "pattern": "card_velocity"})
    write_lines(tmp_path / "late" / "part", {"event_id": "x"})
    result = measure(tmp_path)
    assert result["purchases"] == {"good": 2, "fraud": 3, "fraud_share": 0.6}
    assert result["patterns"]["card_velocity"] == {
        "attacks": 2,
        "attack_recall": 0.5,
        "event_precision": 0.5,
        "events_to_flag": 2,
        "median_delay_s": 3.0,
    }
    assert result["patterns"]["rapid_fire"]["attack_recall"] is None
    assert result["fp_per_1000_good"] == 500.0
    assert (result["lookalike_flag_rate"], result["late"], result["alerts"]) == (0.5, 1, 1)

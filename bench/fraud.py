"""How well the fraud rules see labelled attacks: a day of the shop, with attacks and bait, through the real job.

python -m bench.fraud [--seed N ...]     (make fraud-report [SEED=N])
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bench.flink_lake import PYTHON, environment
from tools import entry
from tools.shop.labels import ATTACKS, BAITS, read

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False, add_completion=False, rich_markup_mode=None)
REPO = Path(__file__).parents[1]
RESULT = REPO / "bench/results/fraud.json"
SEEDS = [1, 2, 3]
UNTIL = "2026-01-05"


@dataclass
class Attack:
    """One attack, or one group of bait, and what the job said of its events."""

    pattern: str
    events: dict[str, int] = field(default_factory=dict)
    flagged: set[str] = field(default_factory=set)

    def flagged_after(self) -> tuple[int, float]:
        """(events up to and with the first flagged one, seconds from the first event to it)."""
        order = sorted(self.events, key=lambda event: self.events[event])
        first = next(i for i, event in enumerate(order) if event in self.flagged)
        return first + 1, (self.events[order[first]] - self.events[order[0]]) / 1000


@app.command()
def report(
    seed: Annotated[list[int] | None, typer.Option(min=0, help="Seed of the shop; several make several runs.")] = None,
    events: Annotated[int, typer.Option(min=20_000, help="Ordinary events of the day.")] = 1_000_000,
    attacks: Annotated[int, typer.Option(min=1, max=1000, help="Attacks of each kind.")] = 10,
    keep: Annotated[bool, typer.Option("--write/--no-write", help="Write bench/results/fraud.json.")] = True,
) -> None:
    """Print per pattern how many attacks were seen, how soon, and what was flagged wrongly."""
    runs = [run(one, events, attacks) for one in seed or SEEDS]
    for one in runs:
        show(one)
    if keep:
        RESULT.write_text(json.dumps({"runs": runs}, indent=1) + "\n")
        print(f"written: {RESULT.relative_to(REPO)}")


def run(seed: int, events: int, attacks: int) -> dict[str, Any]:
    """Make the corpus of a seed, judge it, and count."""
    with tempfile.TemporaryDirectory() as name, Console(stderr=True).status(f"seed {seed}: the corpus") as status:
        folder = Path(name)
        corpus = ["-m", "tools.shop", "corpus", "--out", name, "--seed", str(seed), "--events", str(events), "--until", UNTIL]
        _run([sys.executable, *corpus, "--attacks", str(attacks)], dict(os.environ))
        status.update(f"seed {seed}: the job")
        _run([str(PYTHON), "-m", "flink_apps.fraud_file", str(folder / "events.json"), name], os.environ | environment(folder))
        return {"seed": seed} | measure(folder)


def _run(command: list[str], env: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=REPO, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"error: {' '.join(command[1:4])} failed: {done.stderr.strip()[-1500:]}")


def lines(folder: Path) -> Iterator[dict[str, Any]]:
    """The JSON lines of a folder of files."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open() as file:
                yield from map(json.loads, file)


def measure(folder: Path) -> dict[str, Any]:
    """Everything the report says, from labels, scores and alerts."""
    attacks, truth = _attacks(folder / "labels.jsonl")
    scores = {score["event_id"]: score for score in lines(folder / "scores")}
    alerts = list(lines(folder / "alerts"))
    flagged = [score for score in scores.values() if score["decision"] != "allow"]
    for one in (*flagged, *alerts):
        if attack := truth.get(one["event_id"]):
            attack.flagged.add(one["event_id"])
    good = [s for s in scores.values() if s["event_type"] == "purchase" and not _is_attack(truth.get(s["event_id"]))]
    fraud = sum(s["event_type"] == "purchase" for s in scores.values()) - len(good)
    return {
        "purchases": {"good": len(good), "fraud": fraud, "fraud_share": round(fraud / max(1, len(good) + fraud), 4)},
        "patterns": {pattern: _pattern(pattern, attacks, flagged, alerts, truth) for pattern in ATTACKS},
        "fp_per_1000_good": round(1000 * sum(s["decision"] != "allow" for s in good) / len(good), 2),
        "bait_entity_rate": _share([bool(a.flagged) for a in attacks.values() if a.pattern in BAITS]),
        "late": sum(1 for _ in lines(folder / "late")),
        "alerts": len(alerts),
    }


def _attacks(path: Path) -> tuple[dict[str, Attack], dict[str, Attack]]:
    """The attacks by name, and the attack of each labelled event."""
    attacks: dict[str, Attack] = {}
    truth: dict[str, Attack] = {}
    for label in read([path]):
        attack = attacks.setdefault(label["attack"], Attack(label["pattern"]))
        attack.events[label["event_id"]] = label["event_time"]
        truth[label["event_id"]] = attack
    return attacks, truth


def _is_attack(attack: Attack | None) -> bool:
    return attack is not None and attack.pattern in ATTACKS


def _pattern(pattern: str, attacks: dict[str, Attack], flagged: list[Any], alerts: list[Any], truth: dict[str, Attack]) -> dict[str, Any]:
    mine = [attack for attack in attacks.values() if attack.pattern == pattern]
    seen = [attack.flagged_after() for attack in mine if attack.flagged]
    accused = {s["event_id"] for s in flagged if pattern in s["patterns"].split(",")} | {
        a["event_id"] for a in alerts if a["pattern"] == pattern
    }
    return {
        "attacks": len(mine),
        "attack_recall": _share([bool(attack.flagged) for attack in mine]),
        "event_precision": _share([_is_attack(truth.get(event)) for event in accused]),
        "events_to_flag": median(count for count, _ in seen) if seen else None,
        "median_delay_s": round(median(seconds for _, seconds in seen), 1) if seen else None,
    }


def _share(answers: list[bool]) -> float | None:
    return round(sum(answers) / len(answers), 4) if answers else None


def show(found: dict[str, Any]) -> None:
    """Print one run."""
    bought = found["purchases"]
    title = (
        f"seed {found['seed']}: {bought['good']:,} good purchases, {bought['fraud']:,} fraudulent ({bought['fraud_share']:.1%});"
        f" {found['fp_per_1000_good']} false alarms per 1000 good, {found['bait_entity_rate']:.1%} of the bait, {found['late']:,} late"
    )
    columns = ("attacks", "attack_recall", "event_precision", "events_to_flag", "median_delay_s")
    table = Table("pattern", *columns, title=title, title_justify="left")
    for pattern, row in found["patterns"].items():
        table.add_row(pattern, *(str(row[column]) for column in columns))
    Console().print(table)


if __name__ == "__main__":
    entry.run(app)

"""How well the fraud rules see labelled attacks: a day of the shop, with attacks and bait, through the real job.

python -m tools.fraud.report [--seed N ...]     (make fraud-report [SEED=N])
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from tools.common.command import run_app
from tools.fraud.flink_process import PYTHON, REPO, environment
from tools.shop.labels import ATTACKS, Attack, by_event, read

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False, add_completion=False, rich_markup_mode=None)
RESULT = REPO / "bench/results/fraud.json"
SEEDS = [1, 2, 3]
UNTIL = "2026-01-05"


def flagged_after(attack: Attack, accused: set[str]) -> tuple[int, float] | None:
    """(events up to and with the first accused one, seconds from the first event to it); None if none is."""
    order = sorted(attack.events, key=attack.events.__getitem__)
    first = next((i for i, event in enumerate(order) if event in accused), None)
    return None if first is None else (first + 1, (attack.events[order[first]] - attack.events[order[0]]) / 1000)


@app.command()
def report(
    seed: Annotated[list[int] | None, typer.Option(min=0, help="Seed of the shop; several make several runs.")] = None,
    events: Annotated[int, typer.Option(min=20_000, help="Ordinary events of the day.")] = 2_000_000,
    attacks: Annotated[int, typer.Option(min=1, max=1000, help="Attacks of each kind.")] = 20,
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
        _run([str(PYTHON), "-m", "flink_apps.fraud_scores.from_file", str(folder / "events.json"), name], os.environ | environment(folder))
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
    attacks = read([folder / "labels.jsonl"])
    guilty = by_event(attack for attack in attacks if not attack.is_bait)
    scores = {score["event_id"]: score for score in lines(folder / "scores")}
    alerts = list(lines(folder / "alerts"))
    flagged = [score for score in scores.values() if score["decision"] != "allow"]
    accused = {one["event_id"] for one in (*flagged, *alerts)}
    good = [s for s in scores.values() if s["event_type"] == "purchase" and s["event_id"] not in guilty]
    fraud = sum(s["event_type"] == "purchase" for s in scores.values()) - len(good)
    return {
        "purchases": {"good": len(good), "fraud": fraud, "fraud_share": round(fraud / max(1, len(good) + fraud), 4)},
        "patterns": {
            pattern: _pattern([a for a in attacks if a.pattern == pattern], accused, _accused_of(pattern, flagged, alerts), guilty)
            for pattern in ATTACKS
        },
        "fp_per_1000_good": round(1000 * sum(s["decision"] != "allow" for s in good) / len(good), 2),
        "bait_entity_rate": _share([not accused.isdisjoint(a.events) for a in attacks if a.is_bait]),
        "late": sum(1 for _ in lines(folder / "late")),
        "alerts": len(alerts),
    }


def _accused_of(pattern: str, flagged: list[Any], alerts: list[Any]) -> set[str]:
    scored = {score["event_id"] for score in flagged if pattern in score["patterns"].split(",")}
    return scored | {alert["event_id"] for alert in alerts if alert["pattern"] == pattern}


def _pattern(attacks: list[Attack], accused: set[str], accused_of_it: set[str], guilty: dict[str, Attack]) -> dict[str, Any]:
    seen = [found for attack in attacks if (found := flagged_after(attack, accused))]
    return {
        "attacks": len(attacks),
        "attack_recall": _share([not accused.isdisjoint(attack.events) for attack in attacks]),
        "event_precision": _share([event in guilty for event in accused_of_it]),
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
    table = Table(Column("pattern", no_wrap=True), *(column.replace("_", " ") for column in columns), title=title, title_justify="left")
    for pattern, row in found["patterns"].items():
        table.add_row(pattern, *(str(row[column]) for column in columns))
    Console().print(table)


if __name__ == "__main__":
    run_app(app)

"""Measures the fraud rules on labelled attacks: a simulated day with attacks and lookalikes is run through the real Flink job."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from clickstream_contracts.settings import environment
from tools.common.command import new_app, report_errors, run_app
from tools.fraud import flink_process
from tools.fraud.flagged import json_lines
from tools.fraud.flink_process import REPO, STDERR_LENGTH, FlinkError
from tools.shop.labels import ATTACKS, Attack, attack_by_event, read

app = new_app(__doc__)
RESULT = REPO / "bench/results/fraud.json"
SEEDS = [1, 2, 3]
DAY = "2026-01-05"
COLUMNS = ("attacks", "attack_recall", "event_precision", "events_to_flag", "median_delay_s")
Json = dict[str, Any]


class ReportError(RuntimeError):
    """The shop failed; the text has the end of its stderr."""


@app.command()
@report_errors(ReportError, FlinkError, lake=False)
def report(
    seed: Annotated[list[int] | None, typer.Option(min=0, help="Seed of the shop; one run for each.")] = None,
    events: Annotated[int, typer.Option(min=20_000, help="Ordinary events of the day.")] = 2_000_000,
    attacks: Annotated[int, typer.Option(min=1, max=1000, help="Attacks of each kind.")] = 20,
    hard: Annotated[
        bool, typer.Option("--hard", help="Attackers stay near the limits of the rules, change device and wait longer.")
    ] = False,
    out: Annotated[Path, typer.Option(help="File for the results.")] = RESULT,
    write: Annotated[bool, typer.Option("--write/--no-write", help="Write the results to the file.")] = True,
) -> None:
    """Print for each pattern how many attacks were flagged, how soon, and the false alarms."""
    results = [run(number, events, attacks, hard) for number in seed or SEEDS]
    for result in results:
        show(result)
    if write:
        out.write_text(json.dumps({"runs": results}, indent=1) + "\n")
        print(f"results written to {out}")


def run(seed: int, events: int, attacks: int, hard: bool = False) -> Json:
    """Make the events of a seed, score them with the Flink job, and return the measures."""
    with tempfile.TemporaryDirectory() as name, Console(stderr=True).status(f"seed {seed}: making events") as status:
        folder = Path(name)
        shop = ["tools.shop", "corpus", "--out", name, "--seed", str(seed), "--events", str(events), "--until", DAY]
        _run_module([*shop, "--attacks", str(attacks), *(["--hard"] if hard else [])])
        status.update(f"seed {seed}: scoring events")
        flink_process.score(folder / "events.json", folder, lambda rows: status.update(f"seed {seed}: scoring events: {rows:,} read"))
        return {"seed": seed, "level": "hard" if hard else "easy"} | measure(folder)


def _run_module(module_and_arguments: list[str]) -> None:
    """Run `python -m MODULE ...`. Raises ReportError if it fails."""
    command = [sys.executable, "-m", *module_and_arguments]
    done = subprocess.run(command, cwd=REPO, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise ReportError(f"{module_and_arguments[0]} failed with exit code {done.returncode}: {done.stderr.strip()[-STDERR_LENGTH:]}")


def measure(folder: Path) -> Json:
    """Returns the measures of a run from its labels, scores and alerts."""
    attacks = read([folder / "labels.jsonl"])
    attack_of = attack_by_event(attack for attack in attacks if not attack.is_lookalike)
    lookalikes = [attack for attack in attacks if attack.is_lookalike]
    scores = {score["event_id"]: score for score in json_lines(folder / "scores")}
    alerts = list(json_lines(folder / "alerts"))
    flagged_scores = [score for score in scores.values() if score["decision"] != "allow"]
    flagged_events = {row["event_id"] for row in (*flagged_scores, *alerts)}
    purchases = [score for score in scores.values() if score["event_type"] == "purchase"]
    good = [purchase for purchase in purchases if purchase["event_id"] not in attack_of]
    fraud = len(purchases) - len(good)
    patterns = {}
    for pattern in ATTACKS:
        pattern_attacks = [attack for attack in attacks if attack.pattern == pattern]
        flagged_as_pattern = _events_flagged_as(pattern, flagged_scores, alerts)
        patterns[pattern] = _pattern_measures(pattern_attacks, flagged_events, flagged_as_pattern, attack_of)
    return {
        "purchases": {"good": len(good), "fraud": fraud, "fraud_share": round(fraud / max(1, len(good) + fraud), 4)},
        "patterns": patterns,
        "fp_per_1000_good": round(1000 * sum(purchase["decision"] != "allow" for purchase in good) / len(good), 2),
        "lookalike_flag_rate": _share([not flagged_events.isdisjoint(lookalike.events) for lookalike in lookalikes]),
        "late": sum(1 for _ in json_lines(folder / "late")),
        "alerts": len(alerts),
    }


def _events_flagged_as(pattern: str, flagged_scores: list[Json], alerts: list[Json]) -> set[str]:
    by_score = {score["event_id"] for score in flagged_scores if pattern in score["patterns"].split(",")}
    by_alert = {alert["event_id"] for alert in alerts if alert["pattern"] == pattern}
    return by_score | by_alert


def _pattern_measures(attacks: list[Attack], flagged: set[str], flagged_as_pattern: set[str], attack_of: dict[str, Attack]) -> Json:
    """Returns recall (attacks flagged by any pattern), precision (flagged events that belong to an attack) and delays."""
    detections = [detection for attack in attacks if (detection := first_flag(attack, flagged)) is not None]
    return {
        "attacks": len(attacks),
        "attack_recall": _share([not flagged.isdisjoint(attack.events) for attack in attacks]),
        "event_precision": _share([event in attack_of for event in flagged_as_pattern]),
        "events_to_flag": median(count for count, _ in detections) if detections else None,
        "median_delay_s": round(median(seconds for _, seconds in detections), 1) if detections else None,
    }


def first_flag(attack: Attack, flagged: set[str]) -> tuple[int, float] | None:
    """Returns the number of events up to the first flagged one and the seconds from the first event to it; None if none is flagged."""
    events = sorted(attack.events, key=attack.events.__getitem__)
    start = attack.events[events[0]]
    for number, event in enumerate(events, 1):
        if event in flagged:
            return number, (attack.events[event] - start) / 1000
    return None


def _share(flags: list[bool]) -> float | None:
    return round(sum(flags) / len(flags), 4) if flags else None


def show(result: Json) -> None:
    """Print the measures of one run."""
    purchases = result["purchases"]
    title = (
        f"seed {result['seed']}, {result['level']} attacks: {purchases['good']:,} good purchases, {purchases['fraud']:,} fraudulent"
        f" ({purchases['fraud_share']:.1%});"
        f" {result['fp_per_1000_good']} false alarms per 1000 good, {result['lookalike_flag_rate']:.1%} of the lookalikes flagged,"
        f" {result['late']:,} late"
    )
    columns = [Column("pattern", no_wrap=True), *(Column(column.replace("_", " ")) for column in COLUMNS)]
    table = Table(*columns, title=title, title_justify="left")
    for pattern, measures in result["patterns"].items():
        table.add_row(pattern, *(str(measures[column]) for column in COLUMNS))
    Console().print(table)


if __name__ == "__main__":
    run_app(app)

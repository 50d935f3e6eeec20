"""Collects the numbers of a demo run, as JSON and as tables on the terminal."""

from pathlib import Path
from typing import Any

import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table

from clickstream_contracts import names, schema
from clickstream_contracts.settings import Settings
from tools.fraud.detection import detection
from tools.lake import catalog
from tools.ledger import reader
from tools.localstack import airflow as airflow_component
from tools.localstack.airflow_api import Airflow
from tools.localstack.layout import Stack

# The metric that the tuning maximises, and the most telling numbers of the gate, in percent.
# `..._over_...` is the lower confidence bound of the gain.
SCORE = "ndcg20"
GATE = (
    "queries",
    "candidate_hr20",
    "popularity_hr20",
    "covisitation_hr20",
    "all_hr20_over_popularity",
    "champion_hr20",
    "all_hr20_over_champion",
)


def collect(settings: Settings, airflow: Airflow, run_id: str, seconds: dict[str, float]) -> dict[str, Any]:
    """Returns the numbers of a nightly run: from the sender's ledger, the tables on main and the run's receipts.

    `seconds` are the durations of the demo's steps.
    """
    main = catalog.open_catalog(settings)
    release = airflow.xcom(names.NIGHTLY, run_id, "merge") or {}
    durations = {f"nightly.{task['task_id']}": task["duration"] for task in airflow.tasks(names.NIGHTLY, run_id) if task["duration"]}
    audits = (airflow.xcom(names.NIGHTLY, run_id, "audit") or {}).get("facts", {}).get("audits", [])
    return {
        "events": events(settings),
        "release": {
            "run": run_id,
            "day": release.get("day"),
            "branch": release.get("branch"),
            "merge_commit": release.get("commit"),
            "tag": airflow.xcom(names.NIGHTLY, run_id, "tag"),
            "published": bool(release),
        },
        "rows": {name: catalog.row_count(main, name) for name in schema.tables()},
        "audits": {"passed": sum(not audit["rows"] for audit in audits), "total": len(audits), "results": audits},
        "seconds": seconds | durations,
        "fraud": detection(settings),
        "addresses": addresses(settings),
        "login": f"user admin, password in {airflow_component.login_file(Stack(settings))}",
    }


def events(settings: Settings) -> dict[str, Any]:
    """Returns how many events were sent, acknowledged, accepted, duplicates, late, and quarantined by reason."""
    sent = reader.entries(settings, None)
    ledger = catalog.open_catalog(settings).load_table("curated.ingest_ledger").scan().to_arrow()
    reasons = catalog.open_catalog(settings).load_table("raw.quarantine").scan(selected_fields=("reason",)).to_arrow()["reason"]
    totals = {name: int(pc.sum(ledger[name]).as_py() or 0) for name in ("accepted", "duplicates", "quarantined", "late")}
    return {
        "sent": len(sent),
        "acknowledged": int(pc.sum(pc.greater_equal(sent["offset"], 0)).as_py() or 0),
        **totals,
        "quarantined_by_reason": {row["values"]: row["counts"] for row in pc.value_counts(reasons).to_pylist()},
    }


def addresses(settings: Settings) -> dict[str, str]:
    """Returns the address of each component."""
    return {
        "airflow": f"http://127.0.0.1:{settings.airflow_port}",
        "flink": settings.flink_uri,
        "spark": f"http://127.0.0.1:{settings.spark_page_port}",
        "nessie": settings.nessie_uri,
        "s3": settings.s3_endpoint,
        "kafka": settings.kafka_bootstrap,
        "ray": f"{settings.ray_uri}, token in {settings.ray_token_file}",
        "recommendations": f"{settings.serve_uri}/openapi.json, token in {settings.serve_token_file}",
    }


def show(summary: dict[str, Any], path: Path) -> None:
    """Print the summary; `path` is its JSON file."""
    console = Console()
    for title, rows in _sections(summary).items():
        table = Table("what", "value", title=title, title_justify="left", show_header=False, min_width=60)
        for name, value in rows.items():
            is_count = isinstance(value, int) and not isinstance(value, bool)
            table.add_row(name, f"{value:,}" if is_count else str(value))
        console.print(table)
    console.print(f"Everything is running: open {summary['addresses']['airflow']}. The same as JSON: {path}. `make down` stops it.")


def _sections(summary: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns the rows of each table by its title."""
    events, release, audits = summary["events"], summary["release"], summary["audits"]
    if not release["published"]:
        release = {"published": "no events since the last release", "run": release["run"]}
    return {
        "Events": {**events, "quarantined_by_reason": _counts(events["quarantined_by_reason"])},
        "Release": release,
        "Rows on main": summary["rows"],
        "Audits": {"passed": f"{audits['passed']} of {audits['total']}"},
        "Fraud": _fraud(summary["fraud"]),
        "Model": _model(summary["model"]),
        "Recommendations": {f"{change['user']} viewed {change['viewed']}": _change(change) for change in summary["recommendations"]},
        "Seconds": summary["seconds"],
        "Addresses": {**summary["addresses"], "login": summary["login"]},
    }


def _fraud(fraud: dict[str, Any]) -> dict[str, str]:
    rows = {}
    for name, pattern in fraud["patterns"].items():
        rows[name] = f"{pattern['detected']} of {pattern['simulated']} attacks detected, after {pattern['median_seconds']} s"
    return rows | {"alerts": f"{fraud['alerts']}, of them false: {fraud['false_alarms']}"}


def _model(model: dict[str, Any]) -> dict[str, str]:
    if model["model"] is None:
        return {"trained": "nothing: this nightly run led to no release of the features"}
    completed = [trial for trial in model["trials"] if trial["state"] == "done"]
    trials = f"{len(completed)} of {len(model['trials'])}"
    if completed:
        trials += f", the best {SCORE} {max(trial[SCORE] for trial in completed):.4f}"
    numbers = model["numbers"]
    return {
        "trials": trials,
        "gate": "passed" if model["passed"] else f"rejected: {'; '.join(model['reasons'])}",
        **{name: numbers[name] for name in GATE if name in numbers},
        "model": model["model"],
        "trained at": model["tag"],
        "release": model["release"] or "none",
    }


def _change(change: dict[str, Any]) -> str:
    before, after = ", ".join(change["before"]), ", ".join(change["after"])
    return f"changed after {change['milliseconds']:.0f} ms\nbefore: {before}\nafter:  {after}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items())) or "none"

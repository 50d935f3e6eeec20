"""What a night did, in numbers: for people and as JSON."""

import json
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table

from clickstream_contracts import names, schema
from clickstream_contracts.settings import Settings
from tools.demo.airflow_api import Airflow
from tools.fraud.detection import detection
from tools.lake import catalog
from tools.ledger import reader

# What the search looks at, and the gate's numbers that tell most, in percent: the bounds are the sure gain.
SCORE = "ndcg20"
GATE = ("queries", "candidate_hr20", "popularity_hr20", "all_hr20_over_popularity", "champion_hr20", "all_hr20_over_champion")
PASSWORDS = Path("secrets") / "airflow_passwords.json"


def password(settings: Settings) -> str:
    """The admin's password of the local Airflow."""
    return str(json.loads((Path(settings.stack_dir) / PASSWORDS).read_text())["admin"])


def collect(settings: Settings, airflow: Airflow, run_id: str, seconds: dict[str, float]) -> dict[str, Any]:
    """Everything that the night itself tells, from the ledger, the tables on main and the run's receipts."""
    release = airflow.xcom(names.NIGHTLY, run_id, "merge") or {}
    main = catalog.connect(settings)
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
        "audits": {"passed": sum(not a["rows"] for a in audits), "total": len(audits), "results": audits},
        "seconds": seconds | {f"night.{t['task_id']}": t["duration"] for t in airflow.tasks(names.NIGHTLY, run_id) if t["duration"]},
        "fraud": detection(settings),
        "addresses": addresses(settings),
        "login": f"user admin, password in {Path(settings.stack_dir) / PASSWORDS}",
    }


def events(settings: Settings) -> dict[str, Any]:
    """Where every event went: sent, acknowledged, accepted, duplicates, quarantined by reason."""
    sent = reader.entries(settings, None)
    ledger = catalog.connect(settings).load_table("curated.ingest_ledger").scan().to_arrow()
    reasons = catalog.connect(settings).load_table("raw.quarantine").scan(selected_fields=("reason",)).to_arrow()["reason"]
    totals = {name: int(pc.sum(ledger[name]).as_py() or 0) for name in ("accepted", "duplicates", "quarantined", "late")}
    return {
        "sent": len(sent),
        "acknowledged": int(pc.sum(pc.greater_equal(sent["offset"], 0)).as_py() or 0),
        **totals,
        "quarantined_by_reason": {row["values"]: row["counts"] for row in pc.value_counts(reasons).to_pylist()},
    }


def addresses(settings: Settings) -> dict[str, str]:
    """Where a browser or a client finds each part."""
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


def show(found: dict[str, Any], path: Path) -> None:
    """Print the summary."""
    release, console = found["release"], Console()
    sections = {
        "Events": {**found["events"], "quarantined_by_reason": _pairs(found["events"]["quarantined_by_reason"])},
        "Release": release if release["published"] else {"published": "nothing arrived since the last release", "run": release["run"]},
        "Rows on main": found["rows"],
        "Audits": {"passed": f"{found['audits']['passed']} of {found['audits']['total']}"},
        "Fraud": _fraud(found["fraud"]),
        "Model": _model(found["model"]),
        "Lists": {f"{one['user']} viewed {one['viewed']}": _lists(one) for one in found["lists"]},
        "Seconds": found["seconds"],
        "Addresses": {**found["addresses"], "login": found["login"]},
    }
    for title, values in sections.items():
        table = Table("what", "value", title=title, title_justify="left", show_header=False, min_width=60)
        for name, value in values.items():
            table.add_row(name, f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value))
        console.print(table)
    console.print(f"Everything is running: open {found['addresses']['airflow']}. The same as JSON: {path}. `make down` stops it.")


def _fraud(found: dict[str, Any]) -> dict[str, str]:
    rows = found["patterns"].items()
    said = {name: f"{row['caught']} of {row['planted']} attacks caught, after {row['median_seconds']} s" for name, row in rows}
    return said | {"alerts": f"{found['alerts']}, of them false: {found['false_alarms']}"}


def _model(found: dict[str, Any]) -> dict[str, str]:
    if found["model"] is None:
        return {"trained": "nothing: no release of the features came of this night"}
    done = [trial for trial in found["trials"] if trial["state"] == "done"]
    best = max(done, key=lambda trial: trial[SCORE], default=None)
    numbers = found["numbers"]
    return {
        "trials": f"{len(done)} of {len(found['trials'])}" + (f", the best {SCORE} {best[SCORE]:.4f}" if best else ""),
        "gate": "passed" if found["passed"] else f"refused: {'; '.join(found['reasons'])}",
        **{name: numbers[name] for name in GATE if name in numbers},
        "model": found["model"],
        "trained at": found["tag"],
        "release": found["release"] or "none",
    }


def _lists(change: dict[str, Any]) -> str:
    times = f"changed after {change['milliseconds']:.0f} ms"
    return f"{times}\nbefore: {', '.join(change['before'])}\nafter:  {', '.join(change['after'])}"


def _pairs(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items())) or "none"

"""What the fraud stream made of the attacks that the shop planted: caught or not, how soon, and what it accused wrongly."""

from pathlib import Path
from statistics import median
from typing import Any

from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from clickstream_contracts import schema
from clickstream_contracts.settings import Settings
from tools import lake
from tools.ledger.lake import end_offsets
from tools.shop.labels import ATTACKS, folder, read


@retry(
    retry=retry_if_result(lambda complete: not complete),
    stop=stop_after_delay(60),
    wait=wait_fixed(2),
    retry_error_callback=lambda state: False,
)
def wait_for_lake(settings: Settings) -> bool:
    """Wait until the lake holds every score and alert that Kafka holds now; says whether it came to that within a minute."""
    contracts = (schema.tables()["raw.fraud_scores"], schema.tables()["raw.fraud_alerts"])
    return all(sum(end_offsets(settings, c.topic).values()) == lake.rows(settings, c.id) for c in contracts)


def detection(settings: Settings) -> dict[str, Any]:
    """By pattern the attacks planted and caught and the median seconds from an attack's first event to its first alert."""
    planted, truth = _labels(settings)
    alerts = lake.catalog(settings).load_table("raw.fraud_alerts").scan(selected_fields=("event_id", "ingested_at")).to_arrow().to_pylist()
    caught: dict[str, float] = {}
    for alert in sorted(alerts, key=lambda alert: alert["ingested_at"]):
        if attack := truth.get(alert["event_id"]):
            caught.setdefault(attack, alert["ingested_at"].timestamp() - planted[attack]["from"] / 1000)
    patterns = {pattern: _pattern(pattern, planted, caught) for pattern in ATTACKS}
    known = [truth.get(alert["event_id"]) for alert in alerts]
    wrong = sum(attack is None or planted[attack]["pattern"] not in ATTACKS for attack in known)
    return {"patterns": patterns, "alerts": len(alerts), "false_alarms": wrong}


def _pattern(pattern: str, planted: dict[str, dict[str, Any]], caught: dict[str, float]) -> dict[str, Any]:
    mine = [attack for attack, about in planted.items() if about["pattern"] == pattern]
    seconds = [caught[attack] for attack in mine if attack in caught]
    return {"planted": len(mine), "caught": len(seconds), "median_seconds": round(median(seconds), 1) if seconds else None}


def _labels(settings: Settings) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """(each attack's pattern and first moment, the attack of each labelled event), over all runs of this stack."""
    planted: dict[str, dict[str, Any]] = {}
    truth: dict[str, str] = {}
    files: list[Path] = sorted(folder(settings).glob("*.jsonl"))
    for label in read(files):
        about = planted.setdefault(label["attack"], {"pattern": label["pattern"], "from": label["event_time"]})
        about["from"] = min(about["from"], label["event_time"])
        truth[label["event_id"]] = label["attack"]
    return planted, truth

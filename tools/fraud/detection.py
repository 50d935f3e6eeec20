"""What the fraud stream made of the attacks that the shop planted: caught or not, how soon, and what it accused wrongly."""

from datetime import datetime
from statistics import median
from typing import Any

from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from clickstream_contracts import schema
from clickstream_contracts.settings import Settings
from tools.kafka.reader import end_offsets
from tools.lake import catalog
from tools.shop.labels import ATTACKS, Attack, by_event, folder, read


@retry(
    retry=retry_if_result(lambda complete: not complete),
    stop=stop_after_delay(60),
    wait=wait_fixed(2),
    retry_error_callback=lambda state: False,
)
def wait_for_lake(settings: Settings) -> bool:
    """Wait until the lake holds every score and alert that Kafka holds now; says whether it came to that within a minute."""
    contracts = (schema.tables()["raw.fraud_scores"], schema.tables()["raw.fraud_alerts"])
    main = catalog.connect(settings)
    return all(sum(end_offsets(settings, c.topic).values()) == catalog.row_count(main, c.id) for c in contracts)


def detection(settings: Settings) -> dict[str, Any]:
    """By pattern the attacks planted and caught and the median seconds from an attack's first event to its first alert."""
    planted = read(sorted(folder(settings).glob("*.jsonl")))
    truth = by_event(planted)
    alerts = catalog.connect(settings).load_table("raw.fraud_alerts").scan(selected_fields=("event_id", "ingested_at")).to_arrow().to_pylist()
    first: dict[str, datetime] = {}
    for alert in sorted(alerts, key=lambda alert: alert["ingested_at"]):
        first.setdefault(alert["event_id"], alert["ingested_at"])
    accused = [truth.get(alert["event_id"]) for alert in alerts]
    return {
        "patterns": {pattern: _pattern([attack for attack in planted if attack.pattern == pattern], first) for pattern in ATTACKS},
        "alerts": len(alerts),
        "false_alarms": sum(attack is None or attack.is_bait for attack in accused),
    }


def _pattern(attacks: list[Attack], first: dict[str, datetime]) -> dict[str, Any]:
    """`first` is when each accused event was accused for the first time."""
    raised = [(attack, [first[event] for event in attack.events if event in first]) for attack in attacks]
    seconds = [min(times).timestamp() - min(attack.events.values()) / 1000 for attack, times in raised if times]
    return {"planted": len(attacks), "caught": len(seconds), "median_seconds": round(median(seconds), 1) if seconds else None}

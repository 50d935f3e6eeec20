"""Compares the alerts in the lake with the attacks that the shop simulated: detected or not, how soon, and false alarms."""

from datetime import datetime
from statistics import median
from typing import Any

from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from clickstream_contracts import schema
from clickstream_contracts.settings import Settings
from tools.kafka.reader import end_offsets
from tools.lake.catalog import open_catalog, row_count
from tools.shop.labels import ATTACKS, Attack, attack_by_event, folder, read

WAIT_SECONDS = 60


@retry(
    retry=retry_if_result(lambda is_complete: not is_complete),
    stop=stop_after_delay(WAIT_SECONDS),
    wait=wait_fixed(2),
    retry_error_callback=lambda state: False,
)
def wait_for_lake(settings: Settings) -> bool:
    """Wait until the lake holds every score and alert that Kafka holds; returns False if it does not within WAIT_SECONDS."""
    contracts = (schema.tables()["raw.fraud_scores"], schema.tables()["raw.fraud_alerts"])
    main = open_catalog(settings)
    return all(sum(end_offsets(settings, contract.topic).values()) == row_count(main, contract.id) for contract in contracts)


def detection(settings: Settings) -> dict[str, Any]:
    """Returns for each pattern the attacks simulated and detected and the median seconds from their first event to their first alert."""
    attacks = read(sorted(folder(settings).glob("*.jsonl")))
    attack_of = attack_by_event(attacks)
    scan = open_catalog(settings).load_table("raw.fraud_alerts").scan(selected_fields=("event_id", "ingested_at"))
    alerts = scan.to_arrow().to_pylist()
    first_alert_at: dict[str, datetime] = {}
    for alert in sorted(alerts, key=lambda alert: alert["ingested_at"]):
        first_alert_at.setdefault(alert["event_id"], alert["ingested_at"])
    alerted_attacks = [attack_of.get(alert["event_id"]) for alert in alerts]
    patterns = {}
    for pattern in ATTACKS:
        patterns[pattern] = _pattern_result([attack for attack in attacks if attack.pattern == pattern], first_alert_at)
    return {
        "patterns": patterns,
        "alerts": len(alerts),
        "false_alarms": sum(attack is None or attack.is_lookalike for attack in alerted_attacks),
    }


def _pattern_result(attacks: list[Attack], first_alert_at: dict[str, datetime]) -> dict[str, Any]:
    seconds = []
    for attack in attacks:
        alert_times = [first_alert_at[event] for event in attack.events if event in first_alert_at]
        if alert_times:
            seconds.append(min(alert_times).timestamp() - min(attack.events.values()) / 1000)
    median_seconds = round(median(seconds), 1) if seconds else None
    return {"simulated": len(attacks), "detected": len(seconds), "median_seconds": median_seconds}

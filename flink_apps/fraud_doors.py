"""Where the events of fraud_scores come from and where its judgements go: Kafka, or files that hold a finite corpus."""

from pathlib import Path

from clickstream_contracts import names
from flink_apps.template import options

# By placeholder of fraud_scores.sql, the text that fills it.
Doors = dict[str, str]


def kafka() -> Doors:
    """The topics; the clock ticks for as long as the job runs."""
    clicks = {
        "topic": names.CLICKS_TOPIC,
        "properties.group.id": names.FRAUD_SCORES_JOB,
        # What piled up is read in small turns of all partitions: one that waits its turn for long would be taken for a quiet one.
        "properties.max.partition.fetch.bytes": "65536",
        "scan.watermark.idle-timeout": "7s",
        "format": "json",
        "json.ignore-parse-errors": "true",
    }
    return {
        "arrived_column": "arrived TIMESTAMP_LTZ(3) NOT NULL METADATA FROM 'timestamp' VIRTUAL",
        "arrived": "arrived",
        "door_records": options(_KAFKA | clicks) + ",\n  ${startup}",
        # Once a second: the rows of a second would come at one moment.
        "door_ticks": options({"connector": "datagen", "rows-per-second": "1"}),
        "door_scores": options(_KAFKA | _keyed(names.FRAUD_SCORES_TOPIC, "event_id")),
        "door_alerts": options(_KAFKA | _keyed(names.FRAUD_ALERTS_TOPIC, "alert_id")),
        "door_late": options(_KAFKA | _keyed(names.LATE_CLICKS_TOPIC, "event_id")),
    }


def files(events: Path, folder: Path) -> Doors:
    """A file of JSON lines, each with its time of arrival as `arrived_ms`, and one folder for each kind of judgement."""
    return {
        "arrived_column": "arrived_ms BIGINT",
        "arrived": "TO_TIMESTAMP_LTZ(arrived_ms, 3)",
        "door_records": options(_file(events) | {"json.ignore-parse-errors": "true"}),
        "door_ticks": options({"connector": "datagen", "number-of-rows": "1"}),
        **{f"door_{name}": options(_file(folder / name)) for name in ("scores", "alerts", "late")},
    }


_KAFKA = {"connector": "kafka", "properties.bootstrap.servers": "${kafka_bootstrap}"}


def _keyed(topic: str, key: str) -> dict[str, str]:
    return {
        "topic": topic,
        "properties.compression.type": "lz4",
        "key.format": "raw",
        "key.fields": key,
        "value.format": "json",
        "value.json.timestamp-format.standard": "ISO-8601",
    }


def _file(path: Path) -> dict[str, str]:
    return {"connector": "filesystem", "path": f"file://{path}", "format": "json"}

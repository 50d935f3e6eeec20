"""Sources and sinks of fraud_scores: Kafka topics, or files that hold a finite corpus."""

from dataclasses import dataclass
from pathlib import Path

from clickstream_contracts import names
from flink_apps.common import connectors
from flink_apps.common.connectors import Options


@dataclass(frozen=True)
class Connectors:
    """The options of each table of pipeline.sql, and how the time of arrival of a record is read.

    arrived_column: definition of the column that holds it; arrived: SQL of it as TIMESTAMP_LTZ(3).
    startup: start position of `records`, '' where the connector has none.
    emit_from: SQL of the time in ms since 1970 before which events only fill the windows: they have no score and no alert.
    flagged_events: the events behind the alerts, None where only the alerts are written.
    """

    records: Options
    arrived_column: str
    arrived: str
    startup: str
    emit_from: str
    ticks: Options
    scores: Options
    alerts: Options
    late_events: Options
    flagged_events: Options | None = None


def kafka() -> Connectors:
    """Returns the Kafka topics. Ticks never end, so the watermark advances for as long as the job runs."""
    source = {
        # After an outage the partitions are read in small batches in turn: one that waits longer than the idle timeout
        # would be taken for idle, and its events would be late.
        "properties.max.partition.fetch.bytes": "65536",
        "scan.watermark.idle-timeout": "7s",
        "format": "json",
        "json.ignore-parse-errors": "true",
    }
    return Connectors(
        records=connectors.kafka_source(names.CLICKS_TOPIC, names.FRAUD_SCORES_JOB) | source,
        arrived_column="arrived TIMESTAMP_LTZ(3) NOT NULL METADATA FROM 'timestamp' VIRTUAL",
        arrived="arrived",
        startup=connectors.startup("records"),
        emit_from="{{ emit_from }}",
        # datagen emits the rows of one second in one burst, so more than one per second would not advance the watermark more evenly.
        ticks={"connector": "datagen", "rows-per-second": "1"},
        scores=_sink(names.FRAUD_SCORES_TOPIC, "event_id"),
        alerts=_sink(names.FRAUD_ALERTS_TOPIC, "alert_id"),
        late_events=_sink(names.LATE_CLICKS_TOPIC, "event_id"),
    )


def files(events: Path, folder: Path, emit_from: int = 0) -> Connectors:
    """Returns a file of JSON lines with their arrival as `arrived_ms`; results in folders of `folder`: scores, alerts, late, flagged."""
    return Connectors(
        records=connectors.json_files(events) | {"json.ignore-parse-errors": "true"},
        arrived_column="arrived_ms BIGINT",
        arrived="TO_TIMESTAMP_LTZ(arrived_ms, 3)",
        startup="",
        emit_from=str(emit_from),
        ticks={"connector": "datagen", "number-of-rows": "1"},
        scores=connectors.json_files(folder / "scores"),
        alerts=connectors.json_files(folder / "alerts"),
        late_events=connectors.json_files(folder / "late"),
        flagged_events=connectors.json_files(folder / "flagged"),
    )


def _sink(topic: str, key: str) -> Options:
    return connectors.kafka_json_sink(topic, key) | {"value.json.timestamp-format.standard": "ISO-8601"}

"""Continues the offsets of the lake after the topic clicks.v1 was created again."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pyarrow as pa
from confluent_kafka import Consumer, KafkaException, TopicPartition
from pyiceberg.catalog.rest import RestCatalog

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from tools.common.command import UsageError
from tools.kafka.client import SendError, consumer_config, require_topic
from tools.ledger.lake_state import CLICKS, QUARANTINE
from tools.ledger.topic_recreations import Recreation, Recreations

POLL_SECONDS = 30


def recreation(settings: Settings, catalog: RestCatalog, published: Mapping[int, int], known: Recreations) -> list[Recreation]:
    """Returns the recreation to record, one item for each partition.

    published: by partition, the offset after the last published record. Raises UsageError if the topic was not created again since
    the last recorded time, and SendError if Kafka cannot be read.
    """
    watermarks, first_arrivals = _topic(settings)
    if not any(end + known.base(partition) < published.get(partition, 0) for partition, (_, end) in watermarks.items()):
        raise UsageError(
            f"{names.CLICKS_TOPIC} was not created again: each partition ends at or above what is published; if it has grown beyond that"
            " since, restore the lake and Kafka from a backup"
        )
    started_at = min(first_arrivals.values(), default=datetime.now(UTC))
    ends = _ends_before(catalog, started_at, known)
    return [Recreation(partition, started_at, max(published.get(partition, 0), ends.get(partition, 0))) for partition in sorted(watermarks)]


def _topic(settings: Settings) -> tuple[dict[int, tuple[int, int]], dict[int, datetime]]:
    """Returns by partition its first and end offset, and the arrival of its first record if it has one."""
    consumer = Consumer(consumer_config(settings) | {"auto.offset.reset": "earliest"})
    watermarks: dict[int, tuple[int, int]] = {}
    arrivals: dict[int, datetime] = {}
    try:
        for partition in require_topic(settings):
            first, end = consumer.get_watermark_offsets(TopicPartition(names.CLICKS_TOPIC, partition), timeout=POLL_SECONDS)
            watermarks[partition] = (first, end)
            if first < end:
                consumer.assign([TopicPartition(names.CLICKS_TOPIC, partition, first)])
                message = consumer.poll(POLL_SECONDS)
                if message is not None and message.error() is None:
                    arrivals[partition] = datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC)
    except KafkaException as error:
        raise SendError(f"cannot read {names.CLICKS_TOPIC} from Kafka at {settings.kafka_bootstrap}: {error.args[0].str()}") from None
    finally:
        consumer.close()
    return watermarks, arrivals


def _ends_before(catalog: RestCatalog, time: datetime, known: Recreations) -> dict[int, int]:
    """Returns by partition the offset in the lake after the last record that arrived before a time."""
    ends: dict[int, int] = {}
    for name in (CLICKS, QUARANTINE):
        columns = ("kafka_partition", "kafka_offset", "ingested_at")
        rows = catalog.load_table(name).scan(row_filter=f"ingested_at < '{time.isoformat()}'", selected_fields=columns).to_arrow()
        offsets = pa.table({"partition": rows["kafka_partition"], "offset": known.lake_offsets(rows)})
        for row in offsets.group_by("partition").aggregate([("offset", "max")]).to_pylist():
            ends[row["partition"]] = max(ends.get(row["partition"], 0), row["offset_max"] + 1)
    return ends

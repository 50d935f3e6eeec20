"""Consumes a Kafka topic in a background thread: first replays recent records, then handles each record as it arrives."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from clickstream_contracts.kafka_clients import ConnectionErrors, librdkafka
from clickstream_contracts.settings import Settings

# Called with the key, the value and the Kafka timestamp (milliseconds) of each record.
RecordHandler = Callable[[bytes | None, bytes | None, int], None]

RETRY_SECONDS = 2.0
POLL_SECONDS = 0.5
REQUEST_TIMEOUT_SECONDS = 10.0
LAG_SECONDS, LAG_TIMEOUT_SECONDS = 5.0, 1.0
log = logging.getLogger("ray.serve")


@dataclass(frozen=True)
class ReplayLimit:
    """How far back a feed starts: at most `records` of the topic, none older than `seconds` (0: no limit by age)."""

    records: int
    seconds: int = 0


class KafkaFeed:
    """All partitions of one topic, without a consumer group, so that every replica sees every record.

    After an error the consumer is created again and replays from the limit; handlers must accept records twice. A record whose
    handler raises is counted and skipped. `caught_up` is set once the end offset of every partition was reached.
    """

    def __init__(self, settings: Settings, topic: str, handle: RecordHandler, replay: ReplayLimit) -> None:
        self._settings, self._topic, self._handle, self._replay = settings, topic, handle, replay
        self._stopped = threading.Event()
        self._lag, self._restarts, self._skipped = 0, -1, 0
        self._contact_at = self._checked_at = time.monotonic()
        self.caught_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"kafka feed {topic}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread and wait for it."""
        self._stopped.set()
        self._thread.join(REQUEST_TIMEOUT_SECONDS)

    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def health(self) -> dict[str, Any]:
        """Returns the records that the feed is behind, seconds since the broker answered, skipped records and restarts."""
        return {
            "lag": self._lag,
            "stale_seconds": round(time.monotonic() - self._contact_at, 1),
            "skipped": self._skipped,
            "restarts": max(self._restarts, 0),
        }

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._restarts += 1
            try:
                self._run_consumer()
            # Whatever ends a consumer, the replica must follow the topic again.
            except Exception as error:
                self._warn(error.args[0].str() if isinstance(error, KafkaException) else str(error) or type(error).__name__)

    def _run_consumer(self) -> None:
        """Consume until the feed is stopped or Kafka reports an error. The files of the login are read again each time."""
        errors = ConnectionErrors()
        consumer = Consumer(self._consumer_config() | {"error_cb": errors})
        try:
            self._consume(consumer)
        except KafkaException as error:
            consumer.poll(POLL_SECONDS)
            self._warn(errors.reason or error.args[0].str())
        finally:
            consumer.close()

    def _warn(self, reason: str) -> None:
        brokers = self._settings.kafka_bootstrap
        log.warning("topic %s (brokers %s): %s; retry in %.0f s", self._topic, brokers, reason, RETRY_SECONDS)
        self._stopped.wait(RETRY_SECONDS)

    def _consumer_config(self) -> dict[str, str | int | bool]:
        return librdkafka(self._settings) | {
            # The client requires a group id; it is never used, since partitions are assigned and no offsets are committed.
            "group.id": "serve",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }

    def _consume(self, consumer: Consumer) -> None:
        assignment = start_offsets(consumer, self._topic, self._replay)
        consumer.assign(assignment)
        self._contact_at = time.monotonic()
        lagging = {partition.partition for partition in assignment}
        while not self._stopped.is_set():
            message = consumer.poll(POLL_SECONDS)
            self._measure_lag(consumer)
            if message is None:
                continue
            if error := message.error():
                if error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
                lagging.discard(message.partition())
            else:
                self._handle_safely(message)
            if not lagging:
                self.caught_up.set()

    def _handle_safely(self, message: Message) -> None:
        _, timestamp_ms = message.timestamp()
        try:
            self._handle(message.key(), message.value(), timestamp_ms)
        except Exception as error:
            self._skipped += 1
            place = f"topic {self._topic}, partition {message.partition()}, offset {message.offset()}"
            log.warning("%s: record skipped, %s: %s", place, type(error).__name__, str(error)[:200])

    def _measure_lag(self, consumer: Consumer) -> None:
        """Ask the broker for the end offsets, at most every LAG_SECONDS; without a response the contact gets older."""
        if time.monotonic() - self._checked_at < LAG_SECONDS:
            return
        self._checked_at = time.monotonic()
        try:
            positions = [partition for partition in consumer.position(consumer.assignment()) if partition.offset >= 0]
            ends = [consumer.get_watermark_offsets(partition, timeout=LAG_TIMEOUT_SECONDS)[1] for partition in positions]
        except KafkaException:
            return
        self._lag = sum(end - partition.offset for partition, end in zip(positions, ends, strict=True))
        self._contact_at = time.monotonic()


def start_offsets(consumer: Consumer, topic: str, replay: ReplayLimit) -> list[TopicPartition]:
    """Returns the start offset of each partition. Raises KafkaException if the topic does not exist."""
    metadata = consumer.list_topics(topic, timeout=REQUEST_TIMEOUT_SECONDS).topics[topic]
    if metadata.error:
        raise KafkaException(metadata.error)
    # The limit is for the whole topic; each partition gets an equal part of it.
    records = replay.records // max(len(metadata.partitions), 1)
    return [_start_offset(consumer, TopicPartition(topic, number), records, replay.seconds) for number in metadata.partitions]


def _start_offset(consumer: Consumer, partition: TopicPartition, records: int, seconds: int) -> TopicPartition:
    low, high = consumer.get_watermark_offsets(partition, timeout=REQUEST_TIMEOUT_SECONDS)
    offset = max(low, high - records)
    if seconds:
        offset = max(offset, _offset_since(consumer, partition, seconds, high))
    return TopicPartition(partition.topic, partition.partition, offset if offset > low else OFFSET_BEGINNING)


def _offset_since(consumer: Consumer, partition: TopicPartition, seconds: int, high: int) -> int:
    """Returns the offset of the first record of the last `seconds`; the end offset `high` if there is none."""
    since_ms = int(1000 * (time.time() - seconds))
    by_time = [TopicPartition(partition.topic, partition.partition, since_ms)]
    offset: int = consumer.offsets_for_times(by_time, timeout=REQUEST_TIMEOUT_SECONDS)[0].offset
    return offset if offset >= 0 else high

"""Consumes a Kafka topic in a background thread: first replays recent records, then handles each record as it arrives."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from clickstream_contracts.kafka_clients import ConnectionErrors, librdkafka
from clickstream_contracts.settings import Settings, SettingsError

# Called with the key, the value and the Kafka timestamp (milliseconds) of each record.
RecordHandler = Callable[[bytes | None, bytes | None, int], None]

RETRY_SECONDS = 2.0
POLL_SECONDS = 0.5
REQUEST_TIMEOUT_SECONDS = 10.0
log = logging.getLogger("ray.serve")


@dataclass(frozen=True)
class ReplayLimit:
    """How far back a feed starts: at most `records` of the topic, none older than `seconds` (0: no limit by age)."""

    records: int
    seconds: int = 0


class KafkaFeed:
    """All partitions of one topic, without a consumer group, so that every replica sees every record.

    After a Kafka error the consumer is created again and replays from the limit; handlers must accept records twice.
    `caught_up` is set once the end offset of every partition was reached.
    """

    def __init__(self, settings: Settings, topic: str, handle: RecordHandler, replay: ReplayLimit) -> None:
        self._settings, self._topic, self._handle, self._replay = settings, topic, handle, replay
        self._stopped = threading.Event()
        self.caught_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"kafka feed {topic}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread and wait for it."""
        self._stopped.set()
        self._thread.join(REQUEST_TIMEOUT_SECONDS)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._run_consumer()
            except (KafkaException, SettingsError) as error:
                self._warn(error.args[0].str() if isinstance(error, KafkaException) else str(error))

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
        lagging = {partition.partition for partition in assignment}
        while not self._stopped.is_set():
            message = consumer.poll(POLL_SECONDS)
            if message is None:
                continue
            if error := message.error():
                if error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
                lagging.discard(message.partition())
            else:
                _, timestamp_ms = message.timestamp()
                self._handle(message.key(), message.value(), timestamp_ms)
            if not lagging:
                self.caught_up.set()


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

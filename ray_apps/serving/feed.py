"""Follows a topic in a thread of its own: first what a look-back holds, then each record as it arrives."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

Take = Callable[[bytes | None, bytes | None, int], None]

AGAIN_SECONDS = 2.0
TIMEOUT_SECONDS = 10.0
log = logging.getLogger("ray.serve")


@dataclass(frozen=True)
class LookBack:
    """How far back a replica begins: at most this many records, and none that arrived longer ago (0: however long)."""

    records: int
    seconds: int = 0


class Feed:
    """One topic, read by all its partitions without a group: each replica sees every record. Starts again after an error."""

    def __init__(self, bootstrap: str, topic: str, take: Take, back: LookBack) -> None:
        self._bootstrap, self._topic, self._take, self._back = bootstrap, topic, take, back
        self._stopped = threading.Event()
        self.caught_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"feed {topic}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join(TIMEOUT_SECONDS)

    def _run(self) -> None:
        while not self._stopped.is_set():
            consumer = Consumer(self._config())
            try:
                self._follow(consumer)
            except KafkaException as error:
                log.warning("%s cannot be followed: %s; trying again", self._topic, error.args[0].str())
                self._stopped.wait(AGAIN_SECONDS)
            finally:
                consumer.close()

    def _config(self) -> dict[str, str | int | bool]:
        return {
            "bootstrap.servers": self._bootstrap,
            # The client asks for a group's name and, as nothing is subscribed or committed, never uses it.
            "group.id": "serve",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "log_level": 0,
        }

    def _follow(self, consumer: Consumer) -> None:
        begin = starts(consumer, self._topic, self._back)
        consumer.assign(begin)
        behind = {one.partition for one in begin}
        while not self._stopped.is_set():
            message = consumer.poll(0.5)
            if message is None:
                continue
            if error := message.error():
                if error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
                behind.discard(message.partition())
            else:
                self._take(message.key(), message.value(), message.timestamp()[1])
            if not behind:
                self.caught_up.set()


def starts(consumer: Consumer, topic: str, back: LookBack) -> list[TopicPartition]:
    """Where to begin in each partition. Raises KafkaException if there is no such topic."""
    found = consumer.list_topics(topic, timeout=TIMEOUT_SECONDS).topics[topic]
    if found.error:
        raise KafkaException(found.error)
    return [_start(consumer, TopicPartition(topic, number), back, len(found.partitions)) for number in found.partitions]


def _start(consumer: Consumer, place: TopicPartition, back: LookBack, partitions: int) -> TopicPartition:
    low, high = consumer.get_watermark_offsets(place, timeout=TIMEOUT_SECONDS)
    first = max(low, high - back.records // partitions)
    if back.seconds:
        since = int(1000 * (time.time() - back.seconds))
        [found] = consumer.offsets_for_times([TopicPartition(place.topic, place.partition, since)], timeout=TIMEOUT_SECONDS)
        # Nothing has arrived since then.
        first = max(first, found.offset) if found.offset >= 0 else high
    return TopicPartition(place.topic, place.partition, first if first > low else OFFSET_BEGINNING)

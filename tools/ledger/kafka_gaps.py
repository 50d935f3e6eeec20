"""Offsets that hold no record in Kafka: transaction markers, aborted, compacted and expired records."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from tools.kafka.client import SendError, consumer_config
from tools.ledger.offset_ranges import Range
from tools.ledger.topic_recreations import NONE, Recreations

POLL_SECONDS = 30
# Up to so many offsets ahead the consumer reads on; a new position costs it the records that it has fetched already.
READ_ON_OFFSETS = 10_000
# Reasons of a gap, as in the contract of landing.offset_gaps.
EXPIRED, NO_RECORD = "expired", "no_record"


@dataclass(frozen=True)
class Gap:
    """Offsets of a partition that hold no record, and why."""

    partition: int
    offsets: Range
    reason: str


class GapFinder:
    """Asks Kafka whether offsets that the lake lacks hold a record. The offsets are those of the lake, see Recreations."""

    def __init__(self, settings: Settings, recreations: Recreations = NONE) -> None:
        self._settings = settings
        self._recreations = recreations
        # Records of aborted and of open transactions are not read, as in the stream.
        config = consumer_config(settings) | {"isolation.level": "read_committed", "enable.partition.eof": True}
        self._consumer = Consumer(config | {"auto.offset.reset": "earliest"})

    def gaps(self, missing: Mapping[int, Iterable[Range]]) -> list[Gap]:
        """Returns what holds no record at the beginning of each of the missing ranges, which ascend within a partition.

        Raises SendError if Kafka cannot be read.
        """
        return [gap for partition, ranges in missing.items() for gap in self._gaps_of_partition(partition, ranges)]

    def _gaps_of_partition(self, partition: int, ranges: Iterable[Range]) -> list[Gap]:
        gaps: list[Gap] = []
        base = self._recreations.base(partition)
        # What the topic before held is below `base`: Kafka has deleted it.
        first_offset = base + self._first_offset(partition)
        reader = _Reader(self._consumer, partition, self._place)
        for first, end in ranges:
            if first < first_offset:
                gaps.append(Gap(partition, (first, min(first_offset, end)), EXPIRED))
            position = max(first, first_offset)
            record = reader.first_record(position - base) if position < end else None
            gap_end = end if record is None else min(record + base, end)
            if gap_end > position:
                gaps.append(Gap(partition, (position, gap_end), NO_RECORD))
        return gaps

    def _first_offset(self, partition: int) -> int:
        try:
            first, _ = self._consumer.get_watermark_offsets(TopicPartition(names.CLICKS_TOPIC, partition), timeout=POLL_SECONDS)
        except KafkaException as error:
            raise SendError(f"cannot read the offsets of {self._place}: {error.args[0].str()}") from None
        return int(first)

    @property
    def _place(self) -> str:
        return f"{names.CLICKS_TOPIC} in Kafka at {self._settings.kafka_bootstrap}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._consumer.close()


class _Reader:
    """Reads a partition forward."""

    def __init__(self, consumer: Consumer, partition: int, place: str) -> None:
        self._consumer, self._partition, self._place = consumer, partition, place
        # The offset of the record that was read last; None before the first one.
        self._record: int | None = None
        self._ended = False

    def first_record(self, offset: int) -> int | None:
        """Returns the offset of the first record at or after `offset`, None if the partition ends before."""
        if self._record is None or offset > self._record + READ_ON_OFFSETS:
            self._consumer.assign([TopicPartition(names.CLICKS_TOPIC, self._partition, offset)])
            self._record = offset - 1
        while self._record < offset and not self._ended:
            message = self._next_message()
            self._ended = message.error() is not None
            self._record = self._record if self._ended else message.offset() or 0
        return None if self._ended else self._record

    def _next_message(self) -> Message:
        message = self._consumer.poll(POLL_SECONDS)
        if message is None:
            raise SendError(f"cannot read {self._place}: no record within {POLL_SECONDS} s; check that Kafka runs")
        error = message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise SendError(f"cannot read {self._place}: {error.str()}")
        return message

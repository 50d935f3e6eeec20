"""The Kafka producer of the topic clicks.v1. It records in the ledger what was sent and what the broker acknowledged."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from confluent_kafka import KafkaError, Message, Producer

from clickstream_contracts import kafka_clients, names
from clickstream_contracts.settings import Settings
from tools.kafka.client import SendError
from tools.ledger.journal import Ack, Journal
from tools.ledger.record_kinds import GOOD, digest

MAX_IN_FLIGHT = 100_000
# Records between two calls of the producer's poll(), which runs the delivery callbacks.
POLL_INTERVAL = 500
ERRORS_IN_MESSAGE = 3


@dataclass(frozen=True)
class Records:
    """Records in sending order, column by column. A value of None is a record without a value (tombstone)."""

    ids: list[str]
    kinds: list[str]
    keys: list[bytes]
    values: list[bytes | None]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass
class Sender:
    """Idempotent producer with acks=all: each record of a call is written once. Counts what was sent, acknowledged and refused."""

    settings: Settings
    journal: Journal
    sent: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        # lz4 was the fastest codec measured on one core: 180-200 k events per CPU-second, 120 k uncompressed.
        self._producer = Producer(
            kafka_clients.librdkafka(self.settings)
            | {
                "enable.idempotence": True,
                "acks": "all",
                "compression.type": "lz4",
                "linger.ms": 10,
                "batch.size": 1_000_000,
                "message.max.bytes": 10_000_000,
                "queue.buffering.max.messages": 2 * MAX_IN_FLIGHT,
            }
        )
        self._deliveries: list[Ack] = []

    def send(self, records: Records, numbers: Sequence[int]) -> None:
        """Queue records under their numbers in the run. Blocks while more than MAX_IN_FLIGHT are not acknowledged."""
        digests = [_payload_digest(kind, value) for kind, value in zip(records.kinds, records.values, strict=True)]
        self.journal.sent(numbers, records.ids, records.kinds, digests)
        self.sent.update(records.kinds)
        for start in range(0, len(records), POLL_INTERVAL):
            self._queue(records, numbers, range(start, min(start + POLL_INTERVAL, len(records))))
            self._producer.poll(0)
            while len(self._producer) > MAX_IN_FLIGHT:
                self._producer.poll(0.05)
        self._record_deliveries()

    def _queue(self, records: Records, numbers: Sequence[int], positions: range) -> None:
        for i in positions:
            on_delivery = partial(self._delivered, numbers[i])
            self._producer.produce(names.CLICKS_TOPIC, records.values[i], records.keys[i], on_delivery=on_delivery)

    def _delivered(self, number: int, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self._deliveries.append((number, message.partition(), message.offset(), None))
        else:
            self._deliveries.append((number, -1, -1, error.str()))

    def _record_deliveries(self) -> None:
        deliveries, self._deliveries = self._deliveries, []
        self.journal.acked(deliveries)
        errors = [error for *_, error in deliveries if error]
        self.acknowledged += len(deliveries) - len(errors)
        self.refused.update(errors)

    def flush(self) -> None:
        """Wait until the broker has acknowledged or refused every record. Raises SendError if it refused some."""
        while self._producer.flush(1.0):
            self._record_deliveries()
        self._record_deliveries()
        if self.refused:
            reasons = ", ".join(f"{count} x {error}" for error, count in self.refused.most_common(ERRORS_IN_MESSAGE))
            raise SendError(
                f"Kafka at {self.settings.kafka_bootstrap} refused {self.refused.total()} records of {names.CLICKS_TOPIC}: {reasons};"
                " repeat the command with --resume"
            )


def _payload_digest(kind: str, value: bytes | None) -> bytes | None:
    """Returns the digest by which a broken record is found in raw.quarantine, which has no event_id; None for a good record."""
    return None if kind in GOOD else digest(value)

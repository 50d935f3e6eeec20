"""The one door to the topic clicks.v1: sends records and keeps the ledger of each."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from tools.ledger.journal import Ack, Journal
from tools.ledger.kinds import GOOD, digest

MOST_IN_FLIGHT = 100_000
POLL_EVERY = 500


class SendError(RuntimeError):
    """The broker cannot be reached or refused records; the text says which and what to do."""


@dataclass(frozen=True)
class Records:
    """Records in sending order, column by column; a value of None is a record without a value."""

    ids: list[str]
    kinds: list[str]
    keys: list[bytes]
    values: list[bytes | None]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass
class Sender:
    """Sends records exactly once per call (idempotent, all replicas) and notes what was sent and acknowledged."""

    settings: Settings
    journal: Journal
    sent: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        # lz4 measured best on one core: 180-200 k events per CPU-second against 120 k uncompressed.
        self._producer = Producer(
            {
                "bootstrap.servers": self.settings.kafka_bootstrap,
                "enable.idempotence": True,
                "acks": "all",
                "compression.type": "lz4",
                "linger.ms": 10,
                "batch.size": 1_000_000,
                "message.max.bytes": 10_000_000,
                "queue.buffering.max.messages": 2 * MOST_IN_FLIGHT,
                "log_level": 0,
            }
        )
        self._answers: list[Ack] = []

    def send(self, records: Records, numbers: Sequence[int]) -> None:
        """Queue records under their numbers in the run; waits while too many are in flight."""
        digests = [_digest(kind, value) for kind, value in zip(records.kinds, records.values, strict=True)]
        self.journal.sent(numbers, records.ids, records.kinds, digests)
        self.sent.update(records.kinds)
        for start in range(0, len(records), POLL_EVERY):
            self._queue(records, numbers, range(start, min(start + POLL_EVERY, len(records))))
            self._producer.poll(0)
            while len(self._producer) > MOST_IN_FLIGHT:
                self._producer.poll(0.05)
        self._note()

    def _queue(self, records: Records, numbers: Sequence[int], positions: range) -> None:
        for i in positions:
            answer = partial(self._answered, numbers[i])
            self._producer.produce(names.CLICKS_TOPIC, records.values[i], records.keys[i], on_delivery=answer)

    def _answered(self, number: int, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self._answers.append((number, message.partition(), message.offset(), None))
        else:
            self._answers.append((number, -1, -1, error.str()))

    def _note(self) -> None:
        answers, self._answers = self._answers, []
        self.journal.acked(answers)
        failures = [error for *_, error in answers if error]
        self.acknowledged += len(answers) - len(failures)
        self.refused.update(failures)

    def flush(self) -> None:
        """Wait until everything was answered. Raises SendError if the broker refused something."""
        while self._producer.flush(1.0):
            self._note()
        self._note()
        if self.refused:
            reasons = ", ".join(f"{count} x {text}" for text, count in islice(self.refused.items(), 3))
            where, count = self.settings.kafka_bootstrap, self.refused.total()
            raise SendError(f"Kafka at {where} did not take {count} records: {reasons}; see `make doctor`, then repeat with --resume")


def _digest(kind: str, value: bytes | None) -> bytes | None:
    """What may end in quarantine has no event_id there: its payload identifies it."""
    return None if kind in GOOD else digest(value)


def require_topic(settings: Settings, topic: str = names.CLICKS_TOPIC) -> Sequence[int]:
    """The topic's partitions. Raises SendError when there is no broker or no topic."""
    try:
        topics = AdminClient({"bootstrap.servers": settings.kafka_bootstrap, "log_level": 0}).list_topics(timeout=10).topics
    except KafkaException:
        raise SendError(f"no Kafka at {settings.kafka_bootstrap}: start it with `make up`, or set CLICKSTREAM_KAFKA_BOOTSTRAP") from None
    if topic not in topics:
        raise SendError(f"Kafka at {settings.kafka_bootstrap} has no topic {topic}: `make up` creates it")
    return sorted(topics[topic].partitions)

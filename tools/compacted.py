"""A compacted topic as what it is: a table of the newest value of each key."""

from collections.abc import Callable, Mapping

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from clickstream_contracts.settings import Settings
from tools.kafka_producer import SendError, require_topic

STEP = 5_000


def read(settings: Settings, topic: str) -> dict[str, bytes]:
    """What the topic holds now: the newest value of each key, without the keys that were taken away."""
    partitions = require_topic(settings, topic)
    config = {"bootstrap.servers": settings.kafka_bootstrap, "group.id": "tools", "enable.auto.commit": False, "enable.partition.eof": True}
    consumer = Consumer(config)
    held: dict[str, bytes] = {}
    try:
        consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
        open_ones = set(partitions)
        while open_ones:
            _take(consumer.poll(30), held, open_ones, f"Kafka at {settings.kafka_bootstrap} does not give {topic}")
    finally:
        consumer.close()
    return held


def _take(message: Message | None, held: dict[str, bytes], open_ones: set[int], trouble: str) -> None:
    if message is None:
        raise SendError(f"{trouble}: no answer within 30 s; see `make doctor`")
    error = message.error()
    if error is not None and error.code() == KafkaError._PARTITION_EOF:
        open_ones.discard(message.partition() or 0)
    elif error is not None:
        raise SendError(f"{trouble}: {error.str()}; see `make doctor`")
    else:
        key, value = (message.key() or b"").decode(), message.value()
        held.pop(key, None)
        if value is not None:
            held[key] = value


def write(settings: Settings, topic: str, values: Mapping[str, bytes | None], tell: Callable[[str], object]) -> None:
    """Write each key's value, or its tombstone. Raises SendError unless the broker has taken them all."""
    producer = Producer(
        {
            "bootstrap.servers": settings.kafka_bootstrap,
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 50,
            "log_level": 0,
        }
    )
    refused: list[str] = []

    def answered(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            refused.append(error.str())

    for number, (key, value) in enumerate(values.items(), 1):
        producer.produce(topic, value, key.encode(), on_delivery=answered)
        producer.poll(0)
        if number % STEP == 0:
            producer.flush()
            tell(f"{number:,} of {len(values):,}")
    producer.flush()
    if refused:
        raise SendError(f"Kafka at {settings.kafka_bootstrap} did not take {len(refused)} records of {topic}: {refused[0]}; repeat it")

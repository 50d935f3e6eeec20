"""Reads a topic up to where it ends now."""

from collections.abc import Iterator, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from tools.kafka.producer import SendError, require_topic


def end_offsets(settings: Settings, topic: str = names.CLICKS_TOPIC) -> dict[int, int]:
    """For each partition of the topic, the offset that its next record will get."""
    partitions = require_topic(settings, topic)
    consumer = Consumer({"bootstrap.servers": settings.kafka_bootstrap, "group.id": "tools", "log_level": 0})
    try:
        marks = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=20) for p in partitions}
    except KafkaException as error:
        raise SendError(
            f"Kafka at {settings.kafka_bootstrap} does not tell its offsets: {error.args[0].str()}; see `make doctor`"
        ) from None
    finally:
        consumer.close()
    return {partition: mark[1] for partition, mark in marks.items()}


def records(settings: Settings, topic: str, since: Mapping[int, int] | None = None) -> Iterator[Message]:
    """What the topic holds from these offsets, or its begin, to where it ends now. Raises SendError when Kafka does not give it."""
    ends = end_offsets(settings, topic)
    since = dict.fromkeys(ends, 0) if since is None else since
    config = {"bootstrap.servers": settings.kafka_bootstrap, "group.id": "tools", "enable.auto.commit": False, "log_level": 0}
    # What went by its age or for a newer value is passed over, also where nothing follows it.
    consumer = Consumer(config | {"auto.offset.reset": "earliest", "enable.partition.eof": True})
    unread = {partition for partition, offset in since.items() if offset < ends[partition]}
    try:
        consumer.assign([TopicPartition(topic, partition, since[partition]) for partition in unread])
        while unread:
            message = _next(consumer, f"Kafka at {settings.kafka_bootstrap} does not give {topic}")
            partition, offset = message.partition() or 0, message.offset() or 0
            if partition in unread and not message.error() and offset < ends[partition]:
                yield message
            if message.error() or offset + 1 >= ends[partition]:
                unread.discard(partition)
    finally:
        consumer.close()


def _next(consumer: Consumer, trouble: str) -> Message:
    """A record, or the news that a partition ends here."""
    message = consumer.poll(30)
    if message is None:
        raise SendError(f"{trouble}: no answer within 30 s; see `make doctor`")
    error = message.error()
    if error is not None and error.code() != KafkaError._PARTITION_EOF:
        raise SendError(f"{trouble}: {error.str()}; see `make doctor`")
    return message

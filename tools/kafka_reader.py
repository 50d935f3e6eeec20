"""Reads a topic up to where it ends now."""

from collections.abc import Iterator, Mapping

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from tools.kafka_producer import SendError, require_topic


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


def records(settings: Settings, topic: str, since: Mapping[int, int]) -> Iterator[Message]:
    """What the topic took from these offsets on until now. Raises SendError when Kafka does not give it."""
    ends = end_offsets(settings, topic)
    config = {"bootstrap.servers": settings.kafka_bootstrap, "group.id": "tools", "enable.auto.commit": False, "log_level": 0}
    # What retention or compaction took away is passed over.
    consumer = Consumer(config | {"auto.offset.reset": "earliest"})
    unread = {partition for partition, offset in since.items() if offset < ends[partition]}
    try:
        consumer.assign([TopicPartition(topic, partition, since[partition]) for partition in unread])
        while unread:
            message = consumer.poll(30)
            if message is None or message.error():
                raise SendError(f"Kafka at {settings.kafka_bootstrap} does not give {topic}; see `make doctor`")
            place = int(message.partition() or 0), int(message.offset() or 0)
            if place[1] + 1 >= ends[place[0]]:
                unread.discard(place[0])
            yield message
    finally:
        consumer.close()

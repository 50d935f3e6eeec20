"""Reads end offsets and records of a Kafka topic."""

from collections.abc import Iterator, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from tools.kafka.client import SendError, consumer_config, require_topic

POLL_SECONDS = 30


def end_offsets(settings: Settings, topic: str = names.CLICKS_TOPIC) -> dict[int, int]:
    """Returns for each partition the offset that its next record gets. Raises SendError if Kafka does not return them."""
    partitions = require_topic(settings, topic)
    consumer = Consumer(consumer_config(settings))
    try:
        watermarks = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=20) for p in partitions}
    except KafkaException as error:
        raise SendError(f"cannot read the end offsets of {topic} from Kafka at {settings.kafka_bootstrap}: {error.args[0].str()}") from None
    finally:
        consumer.close()
    return {partition: high for partition, (_, high) in watermarks.items()}


def records(settings: Settings, topic: str, start_offsets: Mapping[int, int] | None = None) -> Iterator[Message]:
    """Yields the records of a topic from `start_offsets` (default: the beginning) to the end offsets at the time of the call.

    Raises SendError if the broker is unreachable, the topic does not exist, or a read fails.
    """
    ends = end_offsets(settings, topic)
    starts = dict.fromkeys(ends, 0) if start_offsets is None else start_offsets
    # Retention and compaction leave gaps, also at the end of a partition; the end-of-partition event marks that nothing follows.
    consumer = Consumer(consumer_config(settings) | {"auto.offset.reset": "earliest", "enable.partition.eof": True})
    unread = {partition for partition, offset in starts.items() if offset < ends[partition]}
    try:
        consumer.assign([TopicPartition(topic, partition, starts[partition]) for partition in unread])
        while unread:
            message = _next_message(consumer, f"cannot read {topic} from Kafka at {settings.kafka_bootstrap}")
            partition, offset = message.partition() or 0, message.offset() or 0
            is_end_of_partition = message.error() is not None
            if partition in unread and not is_end_of_partition and offset < ends[partition]:
                yield message
            if is_end_of_partition or offset + 1 >= ends[partition]:
                unread.discard(partition)
    finally:
        consumer.close()


def _next_message(consumer: Consumer, failure: str) -> Message:
    """Returns a record or an end-of-partition event. Raises SendError, whose text starts with `failure`."""
    message = consumer.poll(POLL_SECONDS)
    if message is None:
        raise SendError(f"{failure}: no record within {POLL_SECONDS} s; check that Kafka runs")
    error = message.error()
    if error is not None and error.code() != KafkaError._PARTITION_EOF:
        raise SendError(f"{failure}: {error.str()}")
    return message

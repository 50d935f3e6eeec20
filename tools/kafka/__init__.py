"""Kafka: the producer of clicks.v1, a reader, the topics, compacted topics."""

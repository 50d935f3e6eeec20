-- grain: one row per Kafka partition
-- The offsets that this run reads: start_offset <= offset < end_offset.
SELECT * FROM VALUES {{ ranges | literal }} AS ranges (kafka_partition, start_offset, end_offset)

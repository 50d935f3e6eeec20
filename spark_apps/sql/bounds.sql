-- What this run takes of each partition: start <= offset < end.
SELECT * FROM VALUES {bounds} AS bounds (kafka_partition, start_offset, end_offset)

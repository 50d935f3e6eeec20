-- The clicks that arrived since the last published run. The lowest start lets Iceberg pass over older files.
SELECT
    event_id,
    CAST(event_time AS DATE) AS event_day,
    kafka_partition,
    kafka_offset,
    struct(ingested_at, kafka_partition, kafka_offset) AS arrival
FROM {raw.clicks}
JOIN bounds USING (kafka_partition)
WHERE kafka_offset >= {lowest_start} AND kafka_offset >= start_offset AND kafka_offset < end_offset

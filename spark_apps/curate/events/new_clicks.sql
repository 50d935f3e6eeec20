-- grain: one row per click that arrived since the last published run
SELECT
    event_id,
    CAST(event_time AS DATE) AS event_day,
    kafka_partition,
    kafka_offset,
    struct(ingested_at, kafka_partition, kafka_offset) AS arrival
FROM {{ table('raw.clicks') }}
JOIN offset_ranges USING (kafka_partition)
-- The lowest start of all partitions is a constant, with which Iceberg skips older files.
WHERE kafka_offset >= {{ lowest_start | literal }} AND kafka_offset >= start_offset AND kafka_offset < end_offset

-- grain: one row per Kafka partition
-- The end offset of the published runs.
SELECT kafka_partition, max(end_offset) AS end_offset
FROM {{ published('curated.ingest_ledger') }}
GROUP BY kafka_partition

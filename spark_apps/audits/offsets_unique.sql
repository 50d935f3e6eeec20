-- severity: error
-- meaning: a Kafka offset below the ledger's end offsets that is more than once in raw.clicks and raw.quarantine
-- owner: stream
WITH end_offsets AS (
    SELECT kafka_partition, max(end_offset) AS end_offset FROM {{ table('curated.ingest_ledger') }} GROUP BY kafka_partition
), records AS (
    SELECT kafka_partition, kafka_offset FROM {{ table('raw.clicks') }}
    UNION ALL
    SELECT kafka_partition, kafka_offset FROM {{ table('raw.quarantine') }}
)
SELECT kafka_partition, kafka_offset, count(*) AS times
FROM records JOIN end_offsets USING (kafka_partition)
WHERE kafka_offset < end_offset
GROUP BY kafka_partition, kafka_offset
HAVING count(*) > 1

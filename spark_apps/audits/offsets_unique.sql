-- severity: error
-- meaning: a Kafka record that a run took and that stands more than once in raw.clicks and raw.quarantine
-- owner: stream
WITH taken AS (
    SELECT kafka_partition, max(end_offset) AS end_offset FROM {curated.ingest_ledger} GROUP BY kafka_partition
), records AS (
    SELECT kafka_partition, kafka_offset FROM {raw.clicks}
    UNION ALL
    SELECT kafka_partition, kafka_offset FROM {raw.quarantine}
)
SELECT kafka_partition, kafka_offset, count(*) AS times
FROM records JOIN taken USING (kafka_partition)
WHERE kafka_offset < end_offset
GROUP BY kafka_partition, kafka_offset
HAVING count(*) > 1

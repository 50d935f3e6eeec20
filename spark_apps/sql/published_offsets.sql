-- How far the published runs have taken each partition, and the newest day that they were made for.
SELECT kafka_partition, max(end_offset) AS end_offset, max(day) AS day
FROM {curated.ingest_ledger@published}
GROUP BY kafka_partition

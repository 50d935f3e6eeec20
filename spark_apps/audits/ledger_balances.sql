-- severity: error
-- meaning: a run's counts do not add up to its offsets, or those of a partition to its records in raw.clicks and raw.quarantine
-- owner: lake
WITH ledger AS (
    SELECT
        kafka_partition,
        min(start_offset) AS start_offset,
        max(end_offset) AS end_offset,
        sum(accepted + duplicates) AS clicks,
        sum(quarantined) AS quarantined
    FROM {{ table('curated.ingest_ledger') }}
    GROUP BY kafka_partition
), raw_counts AS (
    SELECT kafka_partition, count(*) AS clicks, 0 AS quarantined
    FROM {{ table('raw.clicks') }} JOIN ledger USING (kafka_partition)
    WHERE kafka_offset >= start_offset AND kafka_offset < end_offset
    GROUP BY kafka_partition
    UNION ALL
    SELECT kafka_partition, 0, count(*)
    FROM {{ table('raw.quarantine') }} JOIN ledger USING (kafka_partition)
    WHERE kafka_offset >= start_offset AND kafka_offset < end_offset
    GROUP BY kafka_partition
), raw AS (
    SELECT kafka_partition, sum(clicks) AS clicks, sum(quarantined) AS quarantined FROM raw_counts GROUP BY kafka_partition
)
SELECT
    'all runs' AS run,
    l.kafka_partition,
    l.end_offset - l.start_offset AS records,
    l.clicks,
    l.quarantined,
    coalesce(r.clicks, 0) AS clicks_in_raw,
    coalesce(r.quarantined, 0) AS quarantined_in_raw
FROM ledger AS l
LEFT JOIN raw AS r ON r.kafka_partition = l.kafka_partition
WHERE l.clicks <> coalesce(r.clicks, 0) OR l.quarantined <> coalesce(r.quarantined, 0)
UNION ALL
SELECT run, kafka_partition, end_offset - start_offset, accepted + duplicates, quarantined, NULL, NULL
FROM {{ table('curated.ingest_ledger') }}
WHERE end_offset - start_offset <> accepted + duplicates + quarantined

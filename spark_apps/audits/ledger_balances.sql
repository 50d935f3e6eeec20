-- severity: error
-- meaning: a run's account, or all accounts of a partition, that differ from the records in raw.clicks and raw.quarantine
-- owner: lake
WITH taken AS (
    SELECT
        kafka_partition,
        min(start_offset) AS start_offset,
        max(end_offset) AS end_offset,
        sum(accepted + duplicates) AS clicks,
        sum(quarantined) AS quarantined
    FROM {curated.ingest_ledger}
    GROUP BY kafka_partition
), there AS (
    SELECT kafka_partition, count(*) AS clicks, 0 AS quarantined
    FROM {raw.clicks} JOIN taken USING (kafka_partition)
    WHERE kafka_offset >= start_offset AND kafka_offset < end_offset
    GROUP BY kafka_partition
    UNION ALL
    SELECT kafka_partition, 0, count(*)
    FROM {raw.quarantine} JOIN taken USING (kafka_partition)
    WHERE kafka_offset >= start_offset AND kafka_offset < end_offset
    GROUP BY kafka_partition
), found AS (
    SELECT kafka_partition, sum(clicks) AS clicks, sum(quarantined) AS quarantined FROM there GROUP BY kafka_partition
)
SELECT
    'all runs' AS run,
    t.kafka_partition,
    t.end_offset - t.start_offset AS records,
    t.clicks,
    t.quarantined,
    coalesce(f.clicks, 0) AS clicks_in_raw,
    coalesce(f.quarantined, 0) AS quarantined_in_raw
FROM taken AS t
LEFT JOIN found AS f ON f.kafka_partition = t.kafka_partition
WHERE t.clicks <> coalesce(f.clicks, 0) OR t.quarantined <> coalesce(f.quarantined, 0)
UNION ALL
SELECT run, kafka_partition, end_offset - start_offset, accepted + duplicates, quarantined, NULL, NULL
FROM {curated.ingest_ledger}
WHERE end_offset - start_offset <> accepted + duplicates + quarantined

-- severity: error
-- meaning: a run's counts do not add up to its offsets, or those of the newest run to its records in raw.clicks and raw.quarantine
-- owner: lake
WITH newest AS (
    SELECT kafka_partition, max_by(struct(*), start_offset) AS ledger
    FROM {{ table('curated.ingest_ledger') }}
    GROUP BY kafka_partition
    -- As in newest_offsets of macros.sql.
    HAVING max(day) >= (SELECT max(day) FROM {{ table('curated.ingest_ledger') }}) - INTERVAL 100 DAYS
), newest_runs AS (
    SELECT ledger.* FROM newest
), clicks AS (
    SELECT kafka_partition, kafka_offset
    FROM {{ table('raw.clicks') }} JOIN newest_runs USING (kafka_partition)
    WHERE kafka_offset >= {{ lowest_start | literal }} AND kafka_offset >= start_offset AND kafka_offset < end_offset
), quarantine AS (
    SELECT kafka_partition, kafka_offset
    FROM {{ table('raw.quarantine') }} JOIN newest_runs USING (kafka_partition)
    WHERE kafka_offset >= {{ lowest_start | literal }} AND kafka_offset >= start_offset AND kafka_offset < end_offset
), raw_counts AS (
    SELECT kafka_partition, count(DISTINCT kafka_offset) AS clicks, 0 AS quarantined FROM clicks GROUP BY kafka_partition
    UNION ALL
    SELECT kafka_partition, 0, count(DISTINCT kafka_offset)
    FROM quarantine LEFT ANTI JOIN clicks USING (kafka_partition, kafka_offset)
    GROUP BY kafka_partition
), raw AS (
    SELECT kafka_partition, sum(clicks) AS clicks, sum(quarantined) AS quarantined FROM raw_counts GROUP BY kafka_partition
)
SELECT
    l.run,
    l.kafka_partition,
    l.end_offset - l.start_offset AS offsets,
    l.accepted + l.duplicates AS clicks,
    l.quarantined,
    l.gaps,
    coalesce(r.clicks, 0) AS clicks_in_raw,
    coalesce(r.quarantined, 0) AS quarantined_in_raw
FROM newest_runs AS l
LEFT JOIN raw AS r ON r.kafka_partition = l.kafka_partition
WHERE l.accepted + l.duplicates <> coalesce(r.clicks, 0) OR l.quarantined <> coalesce(r.quarantined, 0)
UNION ALL
SELECT run, kafka_partition, end_offset - start_offset, accepted + duplicates, quarantined, gaps, NULL, NULL
FROM {{ table('curated.ingest_ledger') }}
-- `duplicates` is what is left of the clicks, so a negative count is an event that was counted without a click.
WHERE end_offset - start_offset <> accepted + duplicates + quarantined + coalesce(gaps, 0) + coalesce(erased, 0)
    OR duplicates < 0 OR gaps < 0

-- severity: error
-- meaning: a run that does not start at the end offset of the previous run
-- owner: lake
WITH runs AS (
    SELECT *, lag(end_offset, 1, CAST(0 AS BIGINT)) OVER (PARTITION BY kafka_partition ORDER BY start_offset, end_offset) AS previous_end
    FROM {{ table('curated.ingest_ledger') }}
)
SELECT run, kafka_partition, start_offset, end_offset, previous_end
FROM runs
WHERE start_offset <> previous_end OR end_offset <= start_offset

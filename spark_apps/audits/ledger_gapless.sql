-- severity: error
-- meaning: a run that did not start where the one before it ended
-- owner: lake
WITH runs AS (
    SELECT *, lag(end_offset, 1, CAST(0 AS BIGINT)) OVER (PARTITION BY kafka_partition ORDER BY start_offset, end_offset) AS end_before
    FROM {curated.ingest_ledger}
)
SELECT run, kafka_partition, start_offset, end_offset, end_before
FROM runs
WHERE start_offset <> end_before OR end_offset <= start_offset

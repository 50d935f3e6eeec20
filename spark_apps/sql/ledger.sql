-- The published ledger and this run's account of what it took.
WITH accepted AS (
    SELECT n.kafka_partition, n.event_day
    FROM new_clicks AS n
    LEFT SEMI JOIN {curated.events} AS e
        ON e.event_day = n.event_day AND e.kafka_partition = n.kafka_partition AND e.kafka_offset = n.kafka_offset
), closed_days AS (
    SELECT DISTINCT event_day
    FROM {curated.events@published}
    WHERE event_day <= (SELECT max(day) FROM {curated.ingest_ledger@published})
        AND event_day IN (SELECT DISTINCT event_day FROM new_clicks)
), counts AS (
    SELECT kafka_partition, 1 AS accepted, 0 AS arrived, 0 AS quarantined, CAST(d.event_day IS NOT NULL AS INT) AS late
    FROM accepted LEFT JOIN closed_days AS d USING (event_day)
    UNION ALL
    SELECT kafka_partition, 0, 1, 0, 0 FROM new_clicks
    UNION ALL
    SELECT kafka_partition, 0, 0, 1, 0
    FROM {raw.quarantine} JOIN bounds USING (kafka_partition)
    WHERE kafka_offset >= {lowest_start} AND kafka_offset >= start_offset AND kafka_offset < end_offset
)
SELECT run, kafka_partition, day, start_offset, end_offset, accepted, duplicates, quarantined, late
FROM {curated.ingest_ledger@published}
UNION ALL
SELECT
    {run} AS run,
    b.kafka_partition,
    {day} AS day,
    b.start_offset,
    b.end_offset,
    coalesce(sum(c.accepted), 0) AS accepted,
    coalesce(sum(c.arrived) - sum(c.accepted), 0) AS duplicates,
    coalesce(sum(c.quarantined), 0) AS quarantined,
    coalesce(sum(c.late), 0) AS late
FROM bounds AS b
LEFT JOIN counts AS c ON c.kafka_partition = b.kafka_partition
WHERE b.end_offset > b.start_offset
GROUP BY b.kafka_partition, b.start_offset, b.end_offset

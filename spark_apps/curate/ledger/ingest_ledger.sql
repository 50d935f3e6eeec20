-- grain: one row per run and Kafka partition
-- The published ledger and the rows of this run: each record of its offset ranges is accepted, a duplicate or quarantined.
-- An accepted event is late if its day was published before.
WITH accepted AS (
    SELECT n.kafka_partition, n.event_day
    FROM new_clicks AS n
    LEFT SEMI JOIN {{ table('curated.events') }} AS e
        ON e.event_day = n.event_day AND e.kafka_partition = n.kafka_partition AND e.kafka_offset = n.kafka_offset
), published_days AS (
    SELECT DISTINCT event_day
    FROM {{ published('curated.events') }}
    WHERE event_day <= (SELECT max(day) FROM {{ published('curated.ingest_ledger') }})
        AND event_day IN (SELECT DISTINCT event_day FROM new_clicks)
), counts AS (
    SELECT kafka_partition, 1 AS accepted, 0 AS clicks, 0 AS quarantined, CAST(d.event_day IS NOT NULL AS INT) AS late
    FROM accepted LEFT JOIN published_days AS d USING (event_day)
    UNION ALL
    SELECT kafka_partition, 0, 1, 0, 0 FROM new_clicks
    UNION ALL
    SELECT kafka_partition, 0, 0, 1, 0
    FROM {{ table('raw.quarantine') }} JOIN offset_ranges USING (kafka_partition)
    WHERE kafka_offset >= {{ lowest_start | literal }} AND kafka_offset >= start_offset AND kafka_offset < end_offset
)
SELECT run, kafka_partition, day, start_offset, end_offset, accepted, duplicates, quarantined, late
FROM {{ published('curated.ingest_ledger') }}
UNION ALL
SELECT
    {{ run | literal }} AS run,
    r.kafka_partition,
    {{ day | literal }} AS day,
    r.start_offset,
    r.end_offset,
    coalesce(sum(c.accepted), 0) AS accepted,
    coalesce(sum(c.clicks) - sum(c.accepted), 0) AS duplicates,
    coalesce(sum(c.quarantined), 0) AS quarantined,
    coalesce(sum(c.late), 0) AS late
FROM offset_ranges AS r
LEFT JOIN counts AS c ON c.kafka_partition = r.kafka_partition
WHERE r.end_offset > r.start_offset
GROUP BY r.kafka_partition, r.start_offset, r.end_offset

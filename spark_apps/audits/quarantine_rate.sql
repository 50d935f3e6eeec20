-- severity: error
-- meaning: more than 1 % of this run's records, or of the events of a type and producer, are in quarantine and accepted by no decision: ./clickstream repair accept
-- owner: stream
{% import "quarantine_macros.sql" as quarantine %}
WITH {{ quarantine.new_quarantine(table, published, lowest_start) }}, records AS (
    SELECT event_type, producer, 1 AS quarantined
    FROM new_quarantine LEFT ANTI JOIN accepted USING (kafka_partition, kafka_offset)
    UNION ALL
    SELECT c.event_type, coalesce(c.producer, ''), 0
    FROM {{ table('raw.clicks') }} AS c
    JOIN new_offsets AS o
        ON o.kafka_partition = c.kafka_partition AND c.kafka_offset >= o.start_offset AND c.kafka_offset < o.end_offset
    WHERE c.kafka_offset >= {{ lowest_start | literal }}
), rates AS (
    SELECT event_type, producer, grouping(event_type) = 1 AS of_all, count(*) AS records, sum(quarantined) AS quarantined
    FROM records
    GROUP BY GROUPING SETS ((), (event_type, producer))
)
SELECT
    CASE WHEN of_all THEN '(all)' ELSE event_type END AS event_type,
    CASE WHEN of_all THEN '(all)' ELSE producer END AS producer,
    records,
    quarantined
FROM rates
-- A few are no trend. What names no event type has no events to be compared with: it counts with all records.
WHERE quarantined * 100 > records AND quarantined > IF(of_all, 100, 20) AND (of_all OR event_type <> '')
ORDER BY quarantined DESC

-- severity: error
-- meaning: a payment or sign-in of the newest run without a score of the stream or the nightly run, or with two scores of the nightly run
-- owner: marts
{% import "macros.sql" as macros %}
WITH newest_offsets AS (
    -- Only the newest run: a nightly run of an earlier release may not have scored late events.
    {{ macros.newest_offsets(table) }}
), scores AS (
    SELECT event_id, 0 AS by_nightly_run FROM {{ table('raw.fraud_scores') }}
    UNION ALL
    SELECT event_id, 1 FROM {{ table('marts.late_fraud_scores') }}
)
SELECT e.event_id, e.event_type, e.event_time, count(s.event_id) AS scores, coalesce(sum(s.by_nightly_run), 0) AS nightly_scores
FROM {{ table('curated.events') }} AS e
JOIN newest_offsets AS o
    ON o.kafka_partition = e.kafka_partition AND e.kafka_offset >= o.start_offset AND e.kafka_offset < o.end_offset
LEFT JOIN scores AS s ON s.event_id = e.event_id
WHERE e.kafka_offset >= {{ lowest_start | literal }} AND e.event_type IN ({{ scored_events | literal }})
GROUP BY e.event_id, e.event_type, e.event_time
HAVING count(s.event_id) = 0 OR coalesce(sum(s.by_nightly_run), 0) > 1

-- grain: one row per day and pattern; the pattern 'all' covers all patterns
-- Scores and alerts are written to the lake at least once: of several with the same id the first arrival counts, since the
-- shop acted upon that one.
WITH stream_scores AS (
    SELECT
        event_id, event_type, event_time, amount, decision, patterns,
        row_number() OVER (PARTITION BY event_id ORDER BY ingested_at, kafka_partition, kafka_offset) AS arrival_number
    FROM {{ table('raw.fraud_scores') }}
    WHERE event_id IS NOT NULL AND event_time IS NOT NULL
), scores AS (
    SELECT event_id, event_type, event_time, amount, decision, patterns, false AS late FROM stream_scores WHERE arrival_number = 1
    UNION ALL
    -- The stream may score an event after the nightly run did; then its score counts.
    SELECT event_id, event_type, event_time, amount, decision, patterns, true
    FROM {{ table('marts.late_fraud_scores') }}
    LEFT ANTI JOIN stream_scores USING (event_id)
), alerts AS (
    SELECT *, row_number() OVER (PARTITION BY alert_id ORDER BY ingested_at, kafka_partition, kafka_offset) AS arrival_number
    FROM {{ table('raw.fraud_alerts') }}
    WHERE alert_id IS NOT NULL AND event_time IS NOT NULL
), scores_and_alerts AS (
    SELECT
        CAST(event_time AS DATE) AS day,
        explode(array_append(array_remove(split(coalesce(patterns, ''), ','), ''), 'all')) AS pattern,
        CAST(NULL AS STRING) AS alert_id,
        CAST(NULL AS STRING) AS entity,
        late,
        decision,
        CASE WHEN decision = 'block' AND event_type = 'purchase' THEN CAST(amount AS DECIMAL(18, 2)) END AS amount_blocked
    FROM scores
    UNION ALL
    SELECT CAST(event_time AS DATE), explode(array(pattern, 'all')), alert_id, concat(entity_type, ':', entity), false, NULL, NULL
    FROM alerts
    WHERE arrival_number = 1
)
SELECT
    day,
    pattern,
    count(alert_id) AS alerts,
    count(DISTINCT entity) AS entities,
    count_if(alert_id IS NULL) AS events,
    count_if(late) AS late,
    count_if(decision = 'review') AS reviewed,
    count_if(decision = 'block') AS blocked,
    CAST(coalesce(sum(amount_blocked), 0) AS DECIMAL(38, 2)) AS amount_blocked
FROM scores_and_alerts
GROUP BY day, pattern

-- Scores and alerts reach the lake at least once: of those with one id the first to arrive counts, which is what was acted upon.
WITH arrived AS (
    SELECT
        event_id, event_type, event_time, amount, decision, patterns,
        row_number() OVER (PARTITION BY event_id ORDER BY ingested_at, kafka_partition, kafka_offset) AS arrival
    FROM {raw.fraud_scores}
    WHERE event_id IS NOT NULL AND event_time IS NOT NULL
), scores AS (
    SELECT event_id, event_type, event_time, amount, decision, patterns, false AS late FROM arrived WHERE arrival = 1
    UNION ALL
    -- What the stream has judged since the night did counts as the stream judged it.
    SELECT event_id, event_type, event_time, amount, decision, patterns, true
    FROM {marts.late_fraud_scores}
    LEFT ANTI JOIN arrived USING (event_id)
), alerts AS (
    SELECT *, row_number() OVER (PARTITION BY alert_id ORDER BY ingested_at, kafka_partition, kafka_offset) AS arrival
    FROM {raw.fraud_alerts}
    WHERE alert_id IS NOT NULL AND event_time IS NOT NULL
), facts AS (
    SELECT
        CAST(event_time AS DATE) AS day,
        explode(array_append(array_remove(split(coalesce(patterns, ''), ','), ''), 'all')) AS pattern,
        CAST(NULL AS STRING) AS alert,
        CAST(NULL AS STRING) AS entity,
        late,
        decision,
        CASE WHEN decision = 'block' AND event_type = 'purchase' THEN CAST(amount AS DECIMAL(18, 2)) END AS amount_blocked
    FROM scores
    UNION ALL
    SELECT CAST(event_time AS DATE), explode(array(pattern, 'all')), alert_id, concat(entity_type, ':', entity), false, NULL, NULL
    FROM alerts
    WHERE arrival = 1
)
SELECT
    day,
    pattern,
    count(alert) AS alerts,
    count(DISTINCT entity) AS entities,
    count_if(alert IS NULL) AS events,
    count_if(late) AS late,
    count_if(decision = 'review') AS reviewed,
    count_if(decision = 'block') AS blocked,
    CAST(coalesce(sum(amount_blocked), 0) AS DECIMAL(18, 2)) AS amount_blocked
FROM facts
GROUP BY day, pattern

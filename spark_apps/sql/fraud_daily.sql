-- Scores and alerts reach the lake at least once: of those with one id the first to arrive counts, which is what was acted upon.
WITH scores AS (
    SELECT *, row_number() OVER (PARTITION BY event_id ORDER BY ingested_at, kafka_partition, kafka_offset) AS arrival
    FROM {raw.fraud_scores}
    WHERE event_id IS NOT NULL AND event_time IS NOT NULL
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
        decision,
        CASE WHEN decision = 'block' AND event_type = 'purchase' THEN CAST(amount AS DECIMAL(18, 2)) END AS amount_blocked
    FROM scores
    WHERE arrival = 1
    UNION ALL
    SELECT CAST(event_time AS DATE), explode(array(pattern, 'all')), alert_id, concat(entity_type, ':', entity), NULL, NULL
    FROM alerts
    WHERE arrival = 1
)
SELECT
    day,
    pattern,
    count(alert) AS alerts,
    count(DISTINCT entity) AS entities,
    count_if(alert IS NULL) AS events,
    count_if(decision = 'review') AS reviewed,
    count_if(decision = 'block') AS blocked,
    CAST(coalesce(sum(amount_blocked), 0) AS DECIMAL(18, 2)) AS amount_blocked
FROM facts
GROUP BY day, pattern

-- severity: error
-- meaning: a payment or sign-in that the newest run took and that neither the stream nor the night has judged, or the night twice
-- owner: marts
WITH taken AS (
    -- Older runs may be of a time when the night did not judge.
    SELECT kafka_partition, max(start_offset) AS start_offset, max(end_offset) AS end_offset
    FROM {curated.ingest_ledger}
    GROUP BY kafka_partition
), judged AS (
    SELECT event_id, 0 AS by_night FROM {raw.fraud_scores}
    UNION ALL
    SELECT event_id, 1 FROM {marts.late_fraud_scores}
)
SELECT e.event_id, e.event_type, e.event_time, count(j.event_id) AS scores, coalesce(sum(j.by_night), 0) AS by_night
FROM {curated.events} AS e
JOIN taken AS t ON t.kafka_partition = e.kafka_partition AND e.kafka_offset >= t.start_offset AND e.kafka_offset < t.end_offset
LEFT JOIN judged AS j ON j.event_id = e.event_id
WHERE e.event_type IN ('purchase', 'payment_failed', 'login', 'login_failed')
GROUP BY e.event_id, e.event_type, e.event_time
HAVING count(j.event_id) = 0 OR coalesce(sum(j.by_night), 0) > 1

-- severity: error
-- meaning: a payment or sign-in that this run took and that neither the stream nor the night has judged, or the night twice
-- owner: marts
WITH taken AS (
    SELECT kafka_partition, start_offset, end_offset
    FROM {curated.ingest_ledger}
    LEFT ANTI JOIN {curated.ingest_ledger@published} USING (kafka_partition, start_offset)
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

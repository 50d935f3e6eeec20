-- severity: error
-- meaning: a day whose scored events or alerts differ from the ids in the tables of scores and of alerts, each on the day of its first arrival
-- owner: marts
WITH stream_scores AS (
    -- A sender may send an event again with another time, so an id can be on several days; the first arrival counts.
    SELECT event_id, min_by(event_time, struct(ingested_at, kafka_partition, kafka_offset)) AS event_time
    FROM {{ table('raw.fraud_scores') }}
    WHERE event_id IS NOT NULL AND event_time IS NOT NULL
    GROUP BY event_id
), alerts AS (
    SELECT alert_id, min_by(event_time, struct(ingested_at, kafka_partition, kafka_offset)) AS event_time
    FROM {{ table('raw.fraud_alerts') }}
    WHERE alert_id IS NOT NULL AND event_time IS NOT NULL
    GROUP BY alert_id
), counts AS (
    SELECT day, events, alerts FROM {{ table('marts.fraud_daily') }} WHERE pattern = 'all'
    UNION ALL
    SELECT CAST(event_time AS DATE), -1, 0 FROM stream_scores
    UNION ALL
    SELECT CAST(event_time AS DATE), -1, 0
    FROM {{ table('marts.late_fraud_scores') }} LEFT ANTI JOIN stream_scores USING (event_id)
    UNION ALL
    SELECT CAST(event_time AS DATE), 0, -1 FROM alerts
)
SELECT day, sum(events) AS extra_events, sum(alerts) AS extra_alerts
FROM counts
GROUP BY day
HAVING sum(events) <> 0 OR sum(alerts) <> 0

-- severity: error
-- meaning: a day whose scored events or alerts differ from the distinct ids in the tables of scores and of alerts
-- owner: marts
WITH scores AS (
    SELECT event_id, event_time FROM {{ table('raw.fraud_scores') }} WHERE event_id IS NOT NULL AND event_time IS NOT NULL
    UNION ALL
    SELECT event_id, event_time FROM {{ table('marts.late_fraud_scores') }}
), counts AS (
    SELECT day, events, alerts FROM {{ table('marts.fraud_daily') }} WHERE pattern = 'all'
    UNION ALL
    SELECT CAST(event_time AS DATE), -count(DISTINCT event_id), 0
    FROM scores
    GROUP BY CAST(event_time AS DATE)
    UNION ALL
    SELECT CAST(event_time AS DATE), 0, -count(DISTINCT alert_id)
    FROM {{ table('raw.fraud_alerts') }}
    WHERE alert_id IS NOT NULL AND event_time IS NOT NULL
    GROUP BY CAST(event_time AS DATE)
)
SELECT day, sum(events) AS extra_events, sum(alerts) AS extra_alerts
FROM counts
GROUP BY day
HAVING sum(events) <> 0 OR sum(alerts) <> 0

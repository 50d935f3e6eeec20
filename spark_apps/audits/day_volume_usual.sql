-- severity: warn
-- meaning: the newest full day has less than a tenth or more than ten times the median events of the seven days before
-- owner: shop
WITH days AS (
    SELECT event_day, count(*) AS events FROM {{ table('curated.events') }} GROUP BY event_day
), newest AS (
    SELECT max(day) AS day FROM {{ table('curated.ingest_ledger') }}
), previous_week AS (
    SELECT median(d.events) AS median_events
    FROM days AS d CROSS JOIN newest AS n
    WHERE d.event_day < n.day AND d.event_day >= n.day - INTERVAL 7 DAYS
)
SELECT n.day, coalesce(d.events, 0) AS events, w.median_events
FROM newest AS n
CROSS JOIN previous_week AS w
LEFT JOIN days AS d ON d.event_day = n.day
WHERE w.median_events IS NOT NULL AND NOT coalesce(d.events, 0) BETWEEN w.median_events / 10 AND w.median_events * 10

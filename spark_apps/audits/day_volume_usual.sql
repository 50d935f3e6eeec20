-- severity: warn
-- meaning: the newest full day has less than a tenth or more than ten times the median events of the seven days before
-- owner: shop
WITH days AS (
    SELECT event_day, count(*) AS events
    FROM {{ table('curated.events') }}
    WHERE event_day BETWEEN {{ newest_day | literal }} - INTERVAL 7 DAYS AND {{ newest_day | literal }}
    GROUP BY event_day
), previous_week AS (
    SELECT median(events) AS median_events FROM days WHERE event_day < {{ newest_day | literal }}
)
SELECT {{ newest_day | literal }} AS day, coalesce(d.events, 0) AS events, w.median_events
FROM previous_week AS w
LEFT JOIN days AS d ON d.event_day = {{ newest_day | literal }}
WHERE w.median_events IS NOT NULL AND NOT coalesce(d.events, 0) BETWEEN w.median_events / 10 AND w.median_events * 10

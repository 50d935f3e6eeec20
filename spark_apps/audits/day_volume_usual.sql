-- severity: warn
-- meaning: the newest full day has less than a tenth or more than ten times the events of a usual day of the week before
-- owner: shop
WITH days AS (
    SELECT event_day, count(*) AS events FROM {curated.events} GROUP BY event_day
), newest AS (
    SELECT max(day) AS day FROM {curated.ingest_ledger}
), usual AS (
    SELECT median(d.events) AS events
    FROM days AS d CROSS JOIN newest AS n
    WHERE d.event_day < n.day AND d.event_day >= n.day - INTERVAL 7 DAYS
)
SELECT n.day, coalesce(d.events, 0) AS events, u.events AS usual_events
FROM newest AS n
CROSS JOIN usual AS u
LEFT JOIN days AS d ON d.event_day = n.day
WHERE u.events IS NOT NULL AND NOT coalesce(d.events, 0) BETWEEN u.events / 10 AND u.events * 10

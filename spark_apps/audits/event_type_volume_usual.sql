-- severity: warn
-- meaning: an event type with less than half or more than twice its usual number on the newest full day: the median of this weekday in the four weeks before
-- owner: shop
-- Only types with at least 20 events usually. A day on which the lake has no event at all is no usual day.
WITH counts AS (
    SELECT event_day, event_type, count(*) AS events
    FROM {{ table('curated.events') }}
    WHERE event_day IN ({{ newest_day | literal }}, {{ same_weekdays | literal }})
    GROUP BY event_day, event_type
), earlier_days AS (
    SELECT DISTINCT event_day FROM counts WHERE event_day <> {{ newest_day | literal }}
), usual AS (
    SELECT t.event_type, median(coalesce(c.events, 0)) AS usual_events
    FROM (SELECT DISTINCT event_type FROM counts) AS t
    CROSS JOIN earlier_days AS d
    LEFT JOIN counts AS c ON c.event_type = t.event_type AND c.event_day = d.event_day
    GROUP BY t.event_type
)
SELECT u.event_type, coalesce(c.events, 0) AS events, u.usual_events
FROM usual AS u
LEFT JOIN counts AS c ON c.event_type = u.event_type AND c.event_day = {{ newest_day | literal }}
WHERE u.usual_events >= 20 AND NOT coalesce(c.events, 0) BETWEEN u.usual_events / 2 AND u.usual_events * 2

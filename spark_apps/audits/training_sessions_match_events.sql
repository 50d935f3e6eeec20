-- severity: error
-- meaning: a day on which sessions or views of the training sessions differ from those of curated.events
-- owner: features
WITH days AS (
    SELECT coalesce(min(event_day), DATE'0001-01-01') AS since, coalesce(max(event_day), DATE'9999-12-31') AS until
    FROM {features.training_sessions}
), viewing AS (
    SELECT s.session_day, count(*) AS views
    FROM {curated.sessions} AS s
    JOIN days AS d ON s.session_day BETWEEN d.since AND d.until
    JOIN {curated.events} AS e ON e.session_id = s.session_id AND e.event_time BETWEEN s.started_at AND s.ended_at
    WHERE e.event_type = 'view_item' AND e.product_id IS NOT NULL
    GROUP BY s.session_day, s.session_key
    HAVING count(*) > 1
), counts AS (
    SELECT event_day, 1 AS sessions, size(items) AS views FROM {features.training_sessions}
    UNION ALL
    SELECT session_day, -1, -views FROM viewing
)
SELECT event_day, sum(sessions) AS sessions_too_many, sum(views) AS views_too_many
FROM counts
GROUP BY event_day
HAVING sum(sessions) <> 0 OR sum(views) <> 0

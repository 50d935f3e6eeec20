-- severity: error
-- meaning: a day whose training sessions differ from curated.events in sessions or in views of products that are not deleted
-- owner: features
{% import "macros.sql" as macros %}
WITH days AS (
    SELECT coalesce(min(event_day), DATE'0001-01-01') AS since, coalesce(max(event_day), DATE'9999-12-31') AS until
    FROM {{ table('features.training_sessions') }}
), sessions_with_views AS (
    SELECT s.session_day, count(*) AS views
    FROM {{ table('curated.sessions') }} AS s
    JOIN days AS d ON s.session_day BETWEEN d.since AND d.until
    JOIN {{ table('curated.events') }} AS e ON e.session_id = s.session_id AND e.event_time BETWEEN s.started_at AND s.ended_at
    LEFT ANTI JOIN ({{ macros.deleted_products(table) }}) AS x ON x.product_id = e.product_id
    WHERE e.event_type = 'view_item' AND e.product_id IS NOT NULL
    GROUP BY s.session_day, s.session_key
    HAVING count(*) > 1
), counts AS (
    SELECT event_day, 1 AS sessions, size(items) AS views FROM {{ table('features.training_sessions') }}
    UNION ALL
    SELECT session_day, -1, -views FROM sessions_with_views
)
SELECT event_day, sum(sessions) AS extra_sessions, sum(views) AS extra_views
FROM counts
GROUP BY event_day
HAVING sum(sessions) <> 0 OR sum(views) <> 0

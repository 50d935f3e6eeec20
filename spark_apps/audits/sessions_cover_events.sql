-- severity: error
-- meaning: an event without a session, or a session whose events, views, carts, checkouts, purchases or revenue differ from its events
-- owner: lake
-- A session has events on its day and the next one. Of earlier releases, which did not end sessions at midnight, it may have events
-- of later days: only a full audit counts it.
{% import "macros.sql" as macros %}
WITH sessions AS (
    SELECT *, CASE WHEN CAST(ended_at AS DATE) <= session_day + INTERVAL 1 DAY THEN session_day END AS counted_day
    FROM {{ table('curated.sessions') }} AS s
    WHERE {{ macros.overlaps("s.started_at", "s.ended_at", changed_ranges) }}
), session_events AS (
    SELECT
        coalesce(s.session_key, concat('none: ', e.session_id)) AS session_key,
        CASE WHEN s.session_key IS NULL THEN e.event_day ELSE s.counted_day END AS counted_day,
        e.event_type,
        e.event_type = 'purchase' AND l.event_id IS NULL AS is_purchase,
        coalesce({{ macros.amount_of("e") }}, 0) AS amount
    FROM {{ table('curated.events') }} AS e
    LEFT JOIN sessions AS s ON s.session_id = e.session_id AND e.event_time BETWEEN s.started_at AND s.ended_at
    LEFT JOIN (
        SELECT event_id FROM {{ table('curated.order_lines') }} WHERE {{ macros.on_days("line_day", changed_and_next_days) }} AND NOT counted
    ) AS l ON l.event_id = e.event_id
    WHERE {{ macros.on_days("e.event_day", changed_and_next_days) }}
), counts AS (
    SELECT
        session_key,
        counted_day,
        1 AS events,
        CAST(event_type = 'view_item' AS INT) AS views,
        CAST(event_type = 'add_to_cart' AS INT) AS carts,
        CAST(event_type = 'begin_checkout' AS INT) AS checkouts,
        CAST(is_purchase AS INT) AS purchases,
        CASE WHEN is_purchase THEN amount ELSE 0 END AS revenue,
        0 AS currencies
    FROM session_events
    UNION ALL
    SELECT session_key, counted_day, -events, -views, -carts, -checkouts, -purchases, -revenue, coalesce(currencies, 0)
    FROM sessions
)
SELECT
    session_key,
    sum(events) AS missing_events,
    sum(views) AS missing_views,
    sum(carts) AS missing_carts,
    sum(checkouts) AS missing_checkouts,
    sum(purchases) AS missing_purchases,
    sum(revenue) AS missing_revenue
FROM counts
WHERE {{ macros.on_days("counted_day", changed_days) }}
GROUP BY session_key
HAVING sum(events) <> 0 OR sum(views) <> 0 OR sum(carts) <> 0 OR sum(checkouts) <> 0 OR sum(purchases) <> 0
    -- A session of several currencies has the revenue of one of them.
    OR (sum(revenue) <> 0 AND max(currencies) < 2)

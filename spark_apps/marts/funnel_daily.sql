-- grain: one row per day
-- A session that reached a stage counts in the stages before it too: a one-click purchase counts as carted.
-- A session of refunds alone is no visit.
-- An event of no known session, user or device has a session of its own: `unknown` counts these.
{% import "macros.sql" as macros %}
WITH reached AS (
    SELECT
        session_day AS day,
        startswith(session_id, {{ unknown_session | literal }}) AS unknown,
        purchases > 0 AS purchased,
        checkouts + purchases > 0 AS checkout,
        carts + checkouts + purchases > 0 AS carted,
        views + carts + checkouts + purchases > 0 AS viewed
    FROM {{ table('curated.sessions') }} AS s
    WHERE session_day IN ({{ days | literal }}) AND {{ macros.is_visit("s") }}
)
SELECT
    day,
    count(*) AS sessions,
    count_if(viewed) AS viewed,
    count_if(carted) AS carted,
    count_if(checkout) AS checkout,
    count_if(purchased) AS purchased,
    count_if(purchased) / count(*) AS conversion,
    day <= {{ complete_until | literal }} AS is_complete,
    count_if(unknown) AS unknown
FROM reached
GROUP BY day

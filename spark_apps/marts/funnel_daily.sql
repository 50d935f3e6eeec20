-- grain: one row per day
-- A session that reached a stage counts in the stages before it too: a one-click purchase counts as carted.
WITH reached AS (
    SELECT
        session_day AS day,
        purchases > 0 AS purchased,
        checkouts + purchases > 0 AS checkout,
        carts + checkouts + purchases > 0 AS carted,
        views + carts + checkouts + purchases > 0 AS viewed
    FROM {{ table('curated.sessions') }}
    WHERE session_day IN ({{ days | literal }})
)
SELECT
    day,
    count(*) AS sessions,
    count_if(viewed) AS viewed,
    count_if(carted) AS carted,
    count_if(checkout) AS checkout,
    count_if(purchased) AS purchased,
    count_if(purchased) / count(*) AS conversion
FROM reached
GROUP BY day

-- grain: one row per day
SELECT
    day,
    count(*) AS sessions,
    count(*) FILTER (viewed OR carted OR checkout OR purchased) AS viewed,
    count(*) FILTER (carted OR checkout OR purchased) AS carted,
    count(*) FILTER (checkout OR purchased) AS checkout,
    count(*) FILTER (purchased) AS purchased
FROM sessions
GROUP BY day

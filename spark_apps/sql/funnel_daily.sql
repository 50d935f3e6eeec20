-- A session that reached a stage has reached those before it: who buys by one click has seen the cart.
WITH reached AS (
    SELECT
        session_day AS day,
        purchases > 0 AS purchased,
        checkouts + purchases > 0 AS checkout,
        carts + checkouts + purchases > 0 AS carted,
        views + carts + checkouts + purchases > 0 AS viewed
    FROM {curated.sessions}
    WHERE session_day IN ({days})
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

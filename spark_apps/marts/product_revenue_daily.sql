-- grain: one row per day, product and currency
SELECT
    day,
    product_id,
    currency,
    count(*) AS purchases,
    sum(pieces) AS items,
    CAST(sum(amount) AS DECIMAL(38, 2)) AS revenue,
    day <= {{ complete_until | literal }} AS is_complete
FROM purchases
GROUP BY day, product_id, currency

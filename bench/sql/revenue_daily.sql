-- grain: one row per day and currency
SELECT day, currency, count(*) AS orders, sum(revenue)::DECIMAL(18, 2) AS revenue
FROM orders
GROUP BY day, currency

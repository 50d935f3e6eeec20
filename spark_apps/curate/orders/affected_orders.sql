-- grain: one row per published order
-- Orders that have, or had, an event on the affected days. DISTINCT: an order may match two time ranges.
SELECT DISTINCT o.*
FROM {{ published('curated.orders') }} AS o
LEFT JOIN order_ids_of_days AS i ON i.order_id = o.order_id
LEFT JOIN (SELECT * FROM VALUES {{ ranges | literal }} AS ranges (since, until)) AS r
    ON o.ordered_at < r.until AND o.last_at >= r.since
WHERE i.order_id IS NOT NULL OR r.since IS NOT NULL

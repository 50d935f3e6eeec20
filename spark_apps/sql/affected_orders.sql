-- Published orders that have, or had, an event on the touched days.
-- An order that lasts over two stretches of days meets both.
SELECT DISTINCT o.*
FROM {curated.orders@published} AS o
LEFT JOIN touched_orders AS t ON t.order_id = o.order_id
LEFT JOIN (SELECT * FROM VALUES {spans} AS spans (since, until)) AS s
    ON o.ordered_at < s.until AND o.last_at >= s.since
WHERE t.order_id IS NOT NULL OR s.since IS NOT NULL

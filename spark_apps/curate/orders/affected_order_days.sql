-- grain: one row per day
-- The days on which the affected orders can have events.
SELECT DISTINCT explode(sequence(order_day, CAST(last_at AS DATE))) AS day FROM affected_orders

-- The days on which their events can be.
SELECT DISTINCT explode(sequence(order_day, CAST(last_at AS DATE))) AS day FROM affected_orders

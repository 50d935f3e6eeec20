-- Orders with a purchase or refund on the touched days.
SELECT DISTINCT coalesce(order_id, concat('event:', event_id)) AS order_id
FROM {curated.events}
WHERE event_day IN ({days}) AND event_type IN ('purchase', 'refund')

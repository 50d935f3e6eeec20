-- The payments and sign-ins of the days that the stream has not judged.
SELECT event_id, user_id, device_id, payment_token
FROM {curated.events} AS e
LEFT ANTI JOIN (SELECT event_id FROM {raw.fraud_scores} WHERE CAST(event_time AS DATE) IN ({days})) AS s ON s.event_id = e.event_id
WHERE e.event_day IN ({days}) AND e.event_type IN ({scored})

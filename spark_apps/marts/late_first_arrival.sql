-- grain: one row per run
-- The time at which Kafka received the first payment or sign-in of the days; null if there is none.
SELECT min(ingested_at) AS first_arrival
FROM {{ table('curated.events') }}
WHERE event_day IN ({{ days | literal }}) AND event_type IN ({{ scored_events | literal }})

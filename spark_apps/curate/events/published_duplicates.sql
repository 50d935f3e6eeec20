-- grain: one row per published event
-- Published events of other days whose event_id is also that of an arrived click.
SELECT event_id, event_day, struct(ingested_at, kafka_partition, kafka_offset) AS arrival
FROM {{ published('curated.events') }}
WHERE event_day NOT IN ({{ days | literal }}) AND event_id IN (SELECT event_id FROM arrived_clicks)

-- grain: one row per published event
-- Published events of other days whose event_id is also that of a click of the days to recompute.
SELECT event_id, event_day, struct(ingested_at, kafka_partition, kafka_offset) AS arrival
FROM {{ published('curated.events') }}
WHERE event_day NOT IN ({{ days | literal }})
    AND event_id IN (
        SELECT event_id FROM {{ table('raw.clicks') }} JOIN offset_ranges USING (kafka_partition)
        WHERE kafka_offset < end_offset AND nessie.system.days(event_time) IN ({{ days | literal }})
    )

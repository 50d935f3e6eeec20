-- severity: warn
-- meaning: offsets of the newest run that Kafka deleted before the stream read them: their records are lost
-- owner: stream
{% import "macros.sql" as macros %}
WITH newest_offsets AS (
    {{ macros.newest_offsets(table) }}
)
SELECT g.kafka_partition, g.first_offset, g.end_offset, g.recorded_at
FROM {{ table('landing.offset_gaps') }} AS g
JOIN newest_offsets AS o ON o.kafka_partition = g.kafka_partition AND g.end_offset > o.start_offset AND g.first_offset < o.end_offset
-- A gap from offset 0 on is what Kafka had deleted before the stream was first started.
WHERE g.reason = 'expired' AND g.first_offset > 0

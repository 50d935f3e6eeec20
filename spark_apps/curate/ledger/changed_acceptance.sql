-- grain: one row per record of an earlier run that has become an event (1) or is an event no more (-1)
{% import "macros.sql" as macros %}
WITH published_events AS (
    SELECT kafka_partition, kafka_offset FROM {{ published('curated.events') }} WHERE {{ macros.on_days("event_day", days) }}
), events AS (
    SELECT kafka_partition, kafka_offset FROM {{ table('curated.events') }} WHERE {{ macros.on_days("event_day", days) }}
), changes AS (
    SELECT kafka_partition, kafka_offset, -1 AS accepted FROM published_events LEFT ANTI JOIN events USING (kafka_partition, kafka_offset)
    UNION ALL
    SELECT kafka_partition, kafka_offset, 1 FROM events LEFT ANTI JOIN published_events USING (kafka_partition, kafka_offset)
)
SELECT l.kafka_partition, l.start_offset, c.accepted
FROM changes AS c
-- The records of this run have no row in the published ledger.
JOIN offset_ranges AS r ON r.kafka_partition = c.kafka_partition AND c.kafka_offset < r.start_offset
JOIN {{ published('curated.ingest_ledger') }} AS l
    ON l.kafka_partition = c.kafka_partition AND c.kafka_offset >= l.start_offset AND c.kafka_offset < l.end_offset

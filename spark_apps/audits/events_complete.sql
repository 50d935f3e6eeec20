-- severity: error
-- meaning: a click of the newest run that is not in curated.events, an event of the run without a click, or a published event that is gone
-- owner: lake
{% import "macros.sql" as macros %}
WITH newest_offsets AS (
    {{ macros.newest_offsets(table) }}
), clicks AS (
    SELECT event_id, kafka_partition, kafka_offset
    FROM {{ table('raw.clicks') }} JOIN newest_offsets USING (kafka_partition)
    WHERE kafka_offset >= {{ lowest_start | literal }} AND kafka_offset >= start_offset AND kafka_offset < end_offset
), events AS (
    SELECT event_id, event_day, kafka_partition, kafka_offset
    FROM {{ table('curated.events') }} JOIN newest_offsets USING (kafka_partition)
    WHERE kafka_offset >= {{ lowest_start | literal }} AND kafka_offset >= start_offset AND kafka_offset < end_offset
)
-- In all of curated.events: the first arrival of a repeated event_id may be an event of an earlier run.
SELECT event_id, kafka_partition, kafka_offset, 'not in curated.events' AS problem
FROM clicks LEFT ANTI JOIN {{ table('curated.events') }} USING (event_id)
UNION ALL
SELECT event_id, kafka_partition, kafka_offset, 'not in raw.clicks'
FROM events LEFT ANTI JOIN clicks USING (event_id, kafka_partition, kafka_offset)
UNION ALL
-- Only days that the run has computed again can have lost an event.
SELECT event_id, kafka_partition, kafka_offset, 'published, and no longer in curated.events'
FROM {{ published('curated.events') }} AS p
LEFT ANTI JOIN (SELECT event_id FROM {{ table('curated.events') }} WHERE {{ macros.on_days("event_day", changed_days) }}) AS e USING (event_id)
WHERE {{ macros.on_days("p.event_day", changed_days) }}

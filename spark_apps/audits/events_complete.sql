-- severity: error
-- meaning: an event_id of raw.clicks below the ledger's end offsets that is not in curated.events, or the other way round
-- owner: lake
WITH end_offsets AS (
    SELECT kafka_partition, max(end_offset) AS end_offset FROM {{ table('curated.ingest_ledger') }} GROUP BY kafka_partition
), event_ids AS (
    SELECT event_id, 1 AS in_raw, 0 AS in_events
    FROM {{ table('raw.clicks') }} JOIN end_offsets USING (kafka_partition)
    WHERE kafka_offset < end_offset
    UNION ALL
    SELECT event_id, 0, 1 FROM {{ table('curated.events') }}
)
SELECT event_id, max(in_raw) AS in_raw, max(in_events) AS in_events
FROM event_ids
GROUP BY event_id
HAVING max(in_raw) <> max(in_events)

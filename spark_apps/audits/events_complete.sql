-- severity: error
-- meaning: an event_id that was taken from raw.clicks and is not in curated.events, or the other way round
-- owner: lake
WITH taken AS (
    SELECT kafka_partition, max(end_offset) AS end_offset FROM {curated.ingest_ledger} GROUP BY kafka_partition
), places AS (
    SELECT event_id, 1 AS in_raw, 0 AS in_events
    FROM {raw.clicks} JOIN taken USING (kafka_partition)
    WHERE kafka_offset < end_offset
    UNION ALL
    SELECT event_id, 0, 1 FROM {curated.events}
)
SELECT event_id, max(in_raw) AS in_raw, max(in_events) AS in_events
FROM places
GROUP BY event_id
HAVING max(in_raw) <> max(in_events)

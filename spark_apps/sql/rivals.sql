-- Published events of other days that share their event_id with a click of the days to compute.
SELECT event_id, event_day, struct(ingested_at, kafka_partition, kafka_offset) AS arrival
FROM {curated.events@published}
WHERE event_day NOT IN ({days})
    AND event_id IN (
        SELECT event_id FROM {raw.clicks} JOIN bounds USING (kafka_partition)
        WHERE kafka_offset < end_offset AND nessie.system.days(event_time) IN ({days})
    )

-- severity: error
-- meaning: a Kafka partition in which the run added another number of accepted records to the ledger than of events to curated.events
-- owner: lake
-- Compared with what is published: a lake of an earlier release may hold runs that accepted a record and lost it to an earlier arrival.
{% import "macros.sql" as macros %}
WITH counts AS (
    SELECT kafka_partition, accepted, 0 AS events FROM {{ table('curated.ingest_ledger') }}
    UNION ALL
    SELECT kafka_partition, -accepted, 0 FROM {{ published('curated.ingest_ledger') }}
    UNION ALL
    SELECT kafka_partition, 0, 1 FROM {{ table('curated.events') }} WHERE {{ macros.on_days("event_day", changed_days) }}
    UNION ALL
    SELECT kafka_partition, 0, -1 FROM {{ published('curated.events') }} WHERE {{ macros.on_days("event_day", changed_days) }}
)
SELECT kafka_partition, sum(accepted) AS more_accepted, sum(events) AS more_events
FROM counts
GROUP BY kafka_partition
HAVING sum(accepted) <> sum(events)

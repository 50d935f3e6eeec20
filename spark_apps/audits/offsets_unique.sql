-- severity: warn
-- meaning: a Kafka offset of the newest run that is more than once in raw.clicks and raw.quarantine; the run counted it once
-- owner: stream
{% import "macros.sql" as macros %}
WITH newest_offsets AS (
    {{ macros.newest_offsets(table) }}
), records AS (
    SELECT kafka_partition, kafka_offset FROM {{ table('raw.clicks') }}
    UNION ALL
    SELECT kafka_partition, kafka_offset FROM {{ table('raw.quarantine') }}
)
SELECT kafka_partition, kafka_offset, count(*) AS times
FROM records JOIN newest_offsets USING (kafka_partition)
WHERE kafka_offset >= {{ lowest_start | literal }} AND kafka_offset >= start_offset AND kafka_offset < end_offset
GROUP BY kafka_partition, kafka_offset
HAVING count(*) > 1

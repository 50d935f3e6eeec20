-- grain: one row per row of raw.clicks
-- The clicks to add to the published events: the new ones, and all of the days to rebuild.
SELECT {{ click_columns | join(", ") }}
FROM {{ table('raw.clicks') }}
JOIN offset_ranges USING (kafka_partition)
-- The lowest start of all partitions is a constant, with which Iceberg skips older files.
WHERE kafka_offset >= {{ lowest_start | literal }} AND kafka_offset >= start_offset AND kafka_offset < end_offset
{% for since, until in rebuilt_ranges %}
UNION ALL
SELECT {{ click_columns | join(", ") }}
FROM {{ table('raw.clicks') }}
JOIN offset_ranges USING (kafka_partition)
WHERE kafka_offset < start_offset AND event_time >= {{ since | literal }} AND event_time < {{ until | literal }}
{% endfor %}

-- severity: error
-- meaning: an event of the newest run that differs in any column from its record in raw.clicks
-- owner: lake
{% import "macros.sql" as macros %}
{# A hash of all columns: joining the columns themselves would move each event twice. xxhash64 skips nulls, hence IS NULL. #}
{% macro all_columns(rows) -%}
xxhash64(
    {%- for column in click_columns %}{{ rows }}.{{ column }}, {{ rows }}.{{ column }} IS NULL, {% endfor -%}
    {{ macros.currency_of(rows) }}
)
{%- endmacro %}
WITH newest_offsets AS (
    SELECT kafka_partition, max(start_offset) AS start_offset, max(end_offset) AS end_offset
    FROM {{ table('curated.ingest_ledger') }}
    GROUP BY kafka_partition
), events AS (
    SELECT e.kafka_partition, e.kafka_offset, e.event_id, e.event_type, e.event_time, e.product_id, {{ all_columns("e") }} AS content
    FROM {{ table('curated.events') }} AS e
    JOIN newest_offsets AS o
        ON o.kafka_partition = e.kafka_partition AND e.kafka_offset >= o.start_offset AND e.kafka_offset < o.end_offset
    WHERE e.kafka_offset >= {{ lowest_start | literal }}
), clicks AS (
    SELECT c.kafka_partition, c.kafka_offset, c.event_id, c.event_type, c.event_time, c.product_id, {{ all_columns("c") }} AS content
    FROM {{ table('raw.clicks') }} AS c
    JOIN newest_offsets AS o
        ON o.kafka_partition = c.kafka_partition AND c.kafka_offset >= o.start_offset AND c.kafka_offset < o.end_offset
    WHERE c.kafka_offset >= {{ lowest_start | literal }}
)
SELECT
    e.kafka_partition,
    e.kafka_offset,
    e.event_id,
    c.event_id AS event_id_in_raw,
    e.event_type,
    c.event_type AS event_type_in_raw,
    e.event_time,
    c.event_time AS event_time_in_raw,
    e.product_id,
    c.product_id AS product_id_in_raw
FROM events AS e
LEFT JOIN clicks AS c ON c.kafka_partition = e.kafka_partition AND c.kafka_offset = e.kafka_offset
WHERE NOT e.content <=> c.content

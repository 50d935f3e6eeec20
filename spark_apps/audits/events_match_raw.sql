-- severity: error
-- meaning: an event of the newest run that differs in any column from its record in raw.clicks
-- owner: lake
{% import "macros.sql" as macros %}
{# With a hash of all columns: joining the columns themselves would move each event twice. xxhash64 skips nulls, hence IS NULL. #}
{% macro rows_of_newest_run(name) -%}
SELECT
    r.kafka_partition,
    r.kafka_offset,
    r.event_id,
    r.event_type,
    r.event_time,
    r.product_id,
    xxhash64({% for column in click_columns %}r.{{ column }}, r.{{ column }} IS NULL, {% endfor %}{{ macros.currency_of("r") }}) AS content
FROM {{ table(name) }} AS r
JOIN newest_offsets AS o
    ON o.kafka_partition = r.kafka_partition AND r.kafka_offset >= o.start_offset AND r.kafka_offset < o.end_offset
WHERE r.kafka_offset >= {{ lowest_start | literal }}
{%- endmacro %}
WITH newest_offsets AS (
    {{ macros.newest_offsets(table) }}
), events AS (
    {{ rows_of_newest_run("curated.events") }}
), clicks AS (
    {{ rows_of_newest_run("raw.clicks") }}
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

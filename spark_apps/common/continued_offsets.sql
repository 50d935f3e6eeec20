-- grain: one row per row of a table of the topic clicks.v1
-- Where the topic was created again, the offsets continue (landing.topic_recreations).
(
    SELECT
        * EXCEPT (kafka_offset),
        kafka_offset + CASE
{% for partition, started_at, base in recreations %}
            WHEN kafka_partition = {{ partition }} AND ingested_at >= timestamp_micros({{ started_at }}) THEN {{ base }}
{% endfor %}
            ELSE 0
        END AS kafka_offset
    FROM {{ table(name) }}
)

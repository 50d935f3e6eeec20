-- Every record of Kafka fraud.scores.v1 and fraud.alerts.v1 goes to raw.fraud_scores and raw.fraud_alerts.
-- A record that cannot be read has only its Kafka position and its payload: no record is lost.
{% import "macros.sql" as macros %}
{# The SQL that reads a field from `json_text`, or from the record's own columns. #}
{% macro expression(field, type, record_id) %}
{% set json_value = "JSON_VALUE(json_text, '$." ~ field.name ~ "')" %}
{% if field.name in ("kafka_partition", "kafka_offset") %}
{{ field.name }}
{%- elif field.name == "ingested_at" %}
CAST(ingested_at AS {{ type }})
{%- elif field.name == "payload" %}
{# Kept only for a record that cannot be read, recognised by its missing id. #}
IF(JSON_VALUE(json_text, '$.{{ record_id }}') IS NULL, payload, CAST(NULL AS BYTES))
{%- elif field.name == "parts" %}
JSON_QUERY(json_text, '$.parts')
{%- elif field.type == "timestamptz" %}
CAST(TO_TIMESTAMP_LTZ(TRY_CAST({{ json_value }} AS BIGINT), 3) AS {{ type }})
{%- elif field.type == "string" %}
{{ json_value }}
{%- else %}
TRY_CAST({{ json_value }} AS {{ type }})
{%- endif %}
{%- endmacro %}

{% for source in sources %}
{{ macros.kafka_records(source.name, source.options, source.startup) }}

{% endfor %}
{% for source in sources %}
-- grain: one row per record of {{ source.topic }}
INSERT INTO {{ source.lake_table }}
SELECT
{% for field in source.fields %}
  {{ expression(field, source.types[field.name], source.record_id) }} AS `{{ field.name }}`{{ "" if loop.last else "," }}
{% endfor %}
FROM (SELECT *, CAST(payload AS STRING) AS json_text FROM {{ source.name }});

{% endfor %}

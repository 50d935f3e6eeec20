-- Every record of Kafka clicks.v1 goes to raw.clicks when it is a valid click, otherwise to raw.quarantine with the reason.
{% import "macros.sql" as macros %}
{% macro problem(reason, field, message) %}
CONCAT('{{ reason }}|{{ field.name }}: ''', SUBSTRING({{ field.text }} FROM 1 FOR 80), ''' {{ message }}')
{%- endmacro %}

CREATE TEMPORARY FUNCTION json_fields AS 'io.clickstream.JsonFields';

{{ macros.kafka_records("records", records, startup) }}

-- JSON is parsed only here. A scalar function would run again for each use of its result; a lateral join runs it once per record.
CREATE TEMPORARY VIEW parsed AS
SELECT kafka_partition, kafka_offset, ingested_at, payload, fields, nested, size
FROM records CROSS JOIN LATERAL TABLE(json_fields(payload, '{{ fields | map(attribute="name") | join(",") }}', {{ max_bytes }}));

-- `problem` is NULL for a valid click, else 'reason|detail'. Both INSERTs below use it, so each record goes to exactly one table.
CREATE TEMPORARY VIEW validated AS
SELECT
  kafka_partition, kafka_offset, ingested_at, payload,
{% for field in fields %}
  {{ field.value }} AS `{{ field.name }}`,
{% endfor %}
  CASE
    WHEN size > {{ max_bytes }} THEN CONCAT('too_large|', CAST(size AS STRING), ' bytes')
    WHEN payload IS NULL THEN 'not_json|no value'
    WHEN fields IS NULL THEN 'not_json|not one JSON object in UTF-8 with unique names'
    WHEN {{ schema_version.text }} <> '{{ event_version }}' THEN {{ problem("unknown_version", schema_version, "is not " ~ event_version) }}
{% for field in fields if field.required %}
    WHEN {{ field.is_missing }} THEN 'missing_field|{{ field.name }}'
{% endfor %}
    WHEN nested IS NOT NULL THEN CONCAT('bad_type|', nested, ': an object or array is no single value')
{% for field in fields if field.type != "string" %}
    WHEN {{ field.has_wrong_type }} THEN {{ problem("bad_type", field, "is no " ~ field.type) }}
{% endfor %}
{% for field in fields %}
{% for limit in field.limits %}
    WHEN {{ limit.condition }} THEN {{ problem("bad_value", field, limit.message) }}
{% endfor %}
{% endfor %}
    WHEN {{ event_time_out_of_range }} THEN {{ problem("time_out_of_range", event_time, "is too far from its arrival") }}
  END AS problem
FROM parsed;

-- grain: one row per valid Kafka record; partitioned by {{ clicks_partitioning }}, which a job reads when it starts
INSERT INTO {{ clicks_table }} (
{% for field in fields %}
  `{{ field.name }}`,
{% endfor %}
  kafka_partition, kafka_offset, ingested_at
)
SELECT
{% for field in fields %}
  `{{ field.name }}`,
{% endfor %}
  kafka_partition, kafka_offset, CAST(ingested_at AS TIMESTAMP_LTZ(6))
FROM validated
WHERE problem IS NULL;

-- grain: one row per Kafka record that is no valid click; partitioned by {{ quarantine_partitioning }}
INSERT INTO {{ quarantine_table }} (kafka_partition, kafka_offset, ingested_at, reason, detail, payload)
SELECT
  kafka_partition, kafka_offset, CAST(ingested_at AS TIMESTAMP_LTZ(6)),
  SPLIT_INDEX(problem, '|', 0),
  SUBSTRING(problem FROM POSITION('|' IN problem) + 1),
  payload
FROM validated
WHERE problem IS NOT NULL;

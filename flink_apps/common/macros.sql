{# Macros that the statements of several streams use: {% import "macros.sql" as macros %} #}

{# The connector options of a table, one per line; connectors.py explains those of Kafka that are filled in later. `startup`: the options for the start position of a Kafka source. #}
{% macro table_options(options, startup="") %}
{% for key, value in options.items() %}
{{ "" if loop.first else ",\n" }}  '{{ key }}' = '{{ value }}'
{%- endfor %}
{{- ",\n  {{ kafka_connection }}" if options.connector == "kafka" else "" }}
{{- ",\n  " ~ startup if startup else "" }}
{%- endmacro %}

{# A table of the records of a Kafka topic: value as bytes, partition, offset and time of arrival at the broker. #}
{% macro kafka_records(table, options, startup) %}
CREATE TEMPORARY TABLE {{ table }} (
  payload BYTES,
  kafka_partition INT NOT NULL METADATA FROM 'partition' VIRTUAL,
  kafka_offset BIGINT NOT NULL METADATA FROM 'offset' VIRTUAL,
  ingested_at TIMESTAMP_LTZ(3) NOT NULL METADATA FROM 'timestamp' VIRTUAL
) WITH (
{{ table_options(options, startup) }},
  'format' = 'raw'
);
{%- endmacro %}

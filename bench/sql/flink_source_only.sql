-- The topic into a blackhole sink, as bytes or as the columns that Flink's JSON format reads.
{% import "macros.sql" as macros %}

CREATE TEMPORARY TABLE records_json (
{% for name, type in columns.items() %}
  `{{ name }}` {{ type }}{{ "" if loop.last else "," }}
{% endfor %}
) WITH (
{{ macros.table_options(source) }},
  'format' = 'json',
  'json.ignore-parse-errors' = 'true'
);

CREATE TEMPORARY TABLE records_raw (payload BYTES) WITH (
{{ macros.table_options(source) }},
  'format' = 'raw'
);

CREATE TEMPORARY TABLE sink_json WITH ('connector' = 'blackhole') LIKE records_json (EXCLUDING ALL);

CREATE TEMPORARY TABLE sink_raw WITH ('connector' = 'blackhole') LIKE records_raw (EXCLUDING ALL);

INSERT INTO sink_{{ format }} SELECT * FROM records_{{ format }};

-- Every record of Kafka fraud.scores.v1 and fraud.alerts.v1 goes to raw.fraud_scores and raw.fraud_alerts.
-- A record that cannot be read has only its Kafka position and its payload: no record is lost.
{% import "macros.sql" as macros %}

{% for source in sources %}
{{ macros.kafka_records(source.name, source.options, source.startup) }}

{% endfor %}
{% for source in sources %}
-- grain: one row per record of {{ source.topic }}
INSERT INTO {{ source.lake_table }}
SELECT
{% for name, expression in source.columns.items() %}
  {{ expression }} AS `{{ name }}`{{ "" if loop.last else "," }}
{% endfor %}
FROM (SELECT *, CAST(payload AS STRING) AS json_text FROM {{ source.name }});

{% endfor %}

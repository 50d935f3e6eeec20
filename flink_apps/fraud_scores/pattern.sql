{% set sql = pattern.sql %}
-- {{ sql.meaning }}
-- grain: one row per event of {{ pattern.source }}
CREATE TEMPORARY VIEW {{ sql.name }} AS
WITH measured AS (
  SELECT *,
{% for column, measure in sql.measures.items() %}
    {{ measure }} AS {{ column }}{{ "" if loop.last else "," }}
{% endfor %}
  FROM {{ pattern.source }}
  WINDOW w AS (
    PARTITION BY COALESCE({{ sql.entity }}, event_id) ORDER BY ts
    RANGE BETWEEN {{ sql.interval }} PRECEDING AND CURRENT ROW
  )
),
{% if sql.derived %}
derived AS (
  SELECT *,
{% for column, expression in sql.derived.items() %}
    {{ expression }} AS {{ column }}{{ "" if loop.last else "," }}
{% endfor %}
  FROM measured
),
{% endif %}
matched AS (
  SELECT *,
    CASE
      WHEN {{ sql.entity }} IS NULL THEN CAST(0 AS DOUBLE)
{% for condition, score in sql.parts %}
      WHEN {{ condition }} THEN CAST({{ score }} AS DOUBLE)
{% endfor %}
      ELSE CAST(0 AS DOUBLE)
    END AS {{ sql.name }}_part
  FROM {{ "derived" if sql.derived else "measured" }}
)
SELECT *, CASE WHEN {{ sql.name }}_part > 0 THEN {{ sql.reason }} END AS {{ sql.name }}_reason
FROM matched;

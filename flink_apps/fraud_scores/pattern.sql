-- {{ pattern.meaning }}
-- grain: one row per event of {{ source }}
CREATE TEMPORARY VIEW {{ pattern.name }} AS
WITH measured AS (
  SELECT *,
{% for column, measure in pattern.measures.items() %}
    {{ measure }} AS {{ column }}{{ "" if loop.last else "," }}
{% endfor %}
  FROM {{ source }}
  WINDOW w AS (
    PARTITION BY COALESCE({{ pattern.entity }}, event_id) ORDER BY ts
    RANGE BETWEEN {{ pattern.interval }} PRECEDING AND CURRENT ROW
  )
),
{% if pattern.derived %}
derived AS (
  SELECT *,
{% for column, expression in pattern.derived.items() %}
    {{ expression }} AS {{ column }}{{ "" if loop.last else "," }}
{% endfor %}
  FROM measured
),
{% endif %}
matched AS (
  SELECT *,
    CASE
      WHEN {{ pattern.entity }} IS NULL THEN CAST(0 AS DOUBLE)
{% for condition, score in pattern.parts %}
      WHEN {{ condition }} THEN CAST({{ score }} AS DOUBLE)
{% endfor %}
      ELSE CAST(0 AS DOUBLE)
    END AS {{ pattern.name }}_part
  FROM {{ "derived" if pattern.derived else "measured" }}
)
SELECT *, CASE WHEN {{ pattern.name }}_part > 0 THEN {{ pattern.reason }} END AS {{ pattern.name }}_reason
FROM matched;

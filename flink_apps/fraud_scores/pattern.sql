{% for pattern in group.patterns %}
-- {{ pattern.name }}: {{ pattern.meaning }}
{% endfor %}
-- grain: one row per event of {{ source }}
CREATE TEMPORARY VIEW {{ group.name }} AS
WITH measured AS (
  SELECT *,
{% for column, measure in group.measures.items() %}
    {{ measure }} AS {{ column }}{{ "" if loop.last else "," }}
{% endfor %}
  FROM {{ source }}
  WINDOW w AS (
    PARTITION BY COALESCE({{ group.entity }}, event_id) ORDER BY ts
    RANGE BETWEEN {{ group.interval }} PRECEDING AND CURRENT ROW
  )
),
{% if group.derived %}
derived AS (
  SELECT *,
{% for column, expression in group.derived.items() %}
    {{ expression }} AS {{ column }}{{ "" if loop.last else "," }}
{% endfor %}
  FROM measured
),
{% endif %}
matched AS (
  SELECT *,
{% for pattern in group.patterns %}
    CASE
      WHEN {{ pattern.entity }} IS NULL{{ " OR " ~ pattern.allowed if pattern.allowed }} THEN CAST(0 AS DOUBLE)
{% for condition, score in pattern.parts %}
      WHEN {{ condition }} THEN CAST({{ score }} AS DOUBLE)
{% endfor %}
      ELSE CAST(0 AS DOUBLE)
    END AS {{ pattern.name }}_part{{ "" if loop.last else "," }}
{% endfor %}
  FROM {{ "derived" if group.derived else "measured" }}
)
SELECT *,
{% for pattern in group.patterns %}
  CASE WHEN {{ pattern.name }}_part > 0 THEN {{ pattern.reason }} END AS {{ pattern.name }}_reason{{ "" if loop.last else "," }}
{% endfor %}
FROM matched;

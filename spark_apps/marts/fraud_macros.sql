{# The levels of one fraud pattern over `source`: see clickstream_contracts.fraud_sql, whose PatternSql is the argument. #}
{% macro pattern_query(pattern, source) %}
    SELECT *, CASE WHEN {{ pattern.name }}_part > 0 THEN {{ pattern.reason }} END AS {{ pattern.name }}_reason
    FROM (
        SELECT
            *,
            CASE
                WHEN {{ pattern.entity }} IS NULL THEN 0D
{% for condition, score in pattern.parts %}
                WHEN {{ condition }} THEN {{ score }}D
{% endfor %}
                ELSE 0D
            END AS {{ pattern.name }}_part
        FROM (
            SELECT
                *
{% for column, expression in pattern.derived.items() %}
                , {{ expression }} AS {{ column }}
{% endfor %}
            FROM (
                SELECT
                    *
{% for column, measure in pattern.measures.items() %}
                    , {{ measure }} AS {{ column }}
{% endfor %}
                FROM {{ source }}
                WINDOW w AS (
                    PARTITION BY coalesce({{ pattern.entity }}, event_id) ORDER BY ts
                    RANGE BETWEEN {{ pattern.interval }} PRECEDING AND CURRENT ROW
                )
            )
        )
    )
{%- endmacro %}

{# The levels of a group of fraud patterns over `source`: see clickstream_contracts.fraud_sql, whose PatternGroup is the argument. #}
{% macro group_query(group, source) %}
    SELECT
        *
{% for pattern in group.patterns %}
        , CASE WHEN {{ pattern.name }}_part > 0 THEN {{ pattern.reason }} END AS {{ pattern.name }}_reason
{% endfor %}
    FROM (
        SELECT
            *
{% for pattern in group.patterns %}
            , CASE
                WHEN {{ pattern.entity }} IS NULL{{ " OR " ~ pattern.allowed if pattern.allowed }} THEN 0D
{% for condition, score in pattern.parts %}
                WHEN {{ condition }} THEN {{ score }}D
{% endfor %}
                ELSE 0D
            END AS {{ pattern.name }}_part
{% endfor %}
        FROM (
            SELECT
                *
{% for column, expression in group.derived.items() %}
                , {{ expression }} AS {{ column }}
{% endfor %}
            FROM (
                SELECT
                    *
{% for column, measure in group.measures.items() %}
                    , {{ measure }} AS {{ column }}
{% endfor %}
                FROM {{ source }}
                WINDOW w AS (
                    PARTITION BY coalesce({{ group.entity }}, event_id) ORDER BY ts
                    RANGE BETWEEN {{ group.interval }} PRECEDING AND CURRENT ROW
                )
            )
        )
    )
{%- endmacro %}

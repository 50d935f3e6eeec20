{{pattern}} AS (
    SELECT *, CASE WHEN {{pattern}}_part > 0 THEN {{reason}} END AS {{pattern}}_reason
    FROM (
        SELECT *, CASE WHEN {{entity}} IS NULL THEN 0D {{conditions}} ELSE 0D END AS {{pattern}}_part
        FROM (
            SELECT *{{derived}}
            FROM (
                SELECT *{{measures}}
                FROM {{source}}
                WINDOW w AS (
                    PARTITION BY coalesce({{entity}}, event_id) ORDER BY ts
                    RANGE BETWEEN INTERVAL '{{count}}' {{unit}} PRECEDING AND CURRENT ROW
                )
            )
        )
    )
)

-- severity: error
-- meaning: a day and currency whose reporting amounts are not its amounts x its rate, or whose rate is missing, 0 or, for the reporting currency, not 1
-- owner: marts
-- An amount of more than 18 digits is not converted: it is null in the mart.
{% import "macros.sql" as macros %}
WITH expected AS (
    SELECT
        *,
        try_cast(revenue AS DECIMAL(20, 2)) * reporting_rate AS exact_revenue,
        try_cast(refunded AS DECIMAL(20, 2)) * reporting_rate AS exact_refunded
    FROM {{ table('marts.revenue_daily') }}
    WHERE {{ macros.on_days("day", changed_days) }}
)
SELECT day, currency, revenue, refunded, reporting_currency, reporting_rate, reporting_revenue, reporting_refunded, reporting_net_revenue
FROM expected
WHERE NOT CASE
    WHEN reporting_rate IS NULL
        THEN reporting_revenue IS NULL AND reporting_refunded IS NULL AND reporting_net_revenue IS NULL
            AND NOT currency <=> reporting_currency
    ELSE coalesce(
        reporting_rate > 0
            AND (currency <> reporting_currency OR reporting_rate = 1)
            AND (reporting_revenue IS NULL OR abs(reporting_revenue - exact_revenue) <= 0.005)
            AND (reporting_refunded IS NULL OR abs(reporting_refunded - exact_refunded) <= 0.005)
            AND reporting_net_revenue <=> reporting_revenue - reporting_refunded,
        false
    )
END

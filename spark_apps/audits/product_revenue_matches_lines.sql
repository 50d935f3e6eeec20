-- severity: error
-- meaning: a day, product and currency whose purchases, pieces or revenue differ from its purchases or from marts.product_daily
-- owner: marts
{% import "macros.sql" as macros %}

WITH purchases AS (
    SELECT
        e.event_day AS day,
        e.product_id,
        coalesce(l.currency, {{ macros.currency_of("e") }}, '') AS currency,
        coalesce(e.quantity, 1) AS items,
        coalesce({{ macros.amount_of("e") }}, 0) AS revenue
    FROM {{ table('curated.events') }} AS e
    LEFT JOIN {{ table('curated.order_lines') }} AS l ON l.event_id = e.event_id AND {{ macros.on_days("l.line_day", changed_days) }}
    WHERE {{ macros.on_days("e.event_day", changed_days) }} AND e.event_type = 'purchase' AND e.product_id IS NOT NULL AND coalesce(l.counted, true)
), sums AS (
    SELECT day, product_id, currency, purchases, items, revenue
    FROM {{ table('marts.product_revenue_daily') }}
    WHERE {{ macros.on_days("day", changed_days) }}
    UNION ALL
    SELECT day, product_id, currency, -1, -items, -revenue FROM purchases
    -- Days that an earlier release computed are not in this mart.
    WHERE day IN (SELECT day FROM {{ table('marts.product_daily') }} WHERE {{ macros.on_days("day", changed_days) }} AND currencies IS NOT NULL)
), of_products AS (
    SELECT
        r.day,
        r.product_id,
        sum(r.purchases) AS purchases,
        sum(r.items) AS items,
        count(*) AS currencies,
        max(CASE WHEN r.currency = p.currency THEN r.revenue END) AS revenue
    FROM {{ table('marts.product_revenue_daily') }} AS r
    LEFT JOIN {{ table('marts.product_daily') }} AS p ON {{ macros.on_days("p.day", changed_days) }} AND p.day = r.day AND p.product_id = r.product_id
    WHERE {{ macros.on_days("r.day", changed_days) }}
    GROUP BY r.day, r.product_id
)
SELECT day, product_id, currency, sum(purchases) AS extra_purchases, sum(items) AS extra_items, sum(revenue) AS extra_revenue
FROM sums
GROUP BY day, product_id, currency
HAVING sum(purchases) <> 0 OR sum(items) <> 0 OR sum(revenue) <> 0
UNION ALL
SELECT
    coalesce(p.day, r.day),
    coalesce(p.product_id, r.product_id),
    p.currency,
    p.purchases - r.purchases,
    p.items - r.items,
    p.revenue - r.revenue
FROM (SELECT * FROM {{ table('marts.product_daily') }} WHERE {{ macros.on_days("day", changed_days) }} AND currencies IS NOT NULL) AS p
FULL OUTER JOIN of_products AS r ON r.day = p.day AND r.product_id = p.product_id
WHERE NOT coalesce(p.purchases = r.purchases AND p.items = r.items AND p.revenue = r.revenue AND p.currencies = r.currencies, false)

-- grain: one row per day and product
-- `revenue` is that of the currency with the most purchases; marts.product_revenue_daily has all currencies.
WITH by_currency AS (
    SELECT
        day,
        product_id,
        currency,
        max_by(product_category, product_valid_from) AS category,
        max(product_valid_from) AS valid_from,
        count(*) AS purchases,
        sum(pieces) AS items,
        sum(amount) AS revenue
    FROM purchases
    GROUP BY day, product_id, currency
), bought AS (
    SELECT
        day,
        product_id,
        max_by(category, valid_from) AS category,
        max(valid_from) AS valid_from,
        sum(purchases) AS purchases,
        sum(items) AS items,
        max_by(revenue, struct(purchases, currency)) AS revenue,
        max_by(currency, struct(purchases, currency)) AS currency,
        count(*) AS currencies
    FROM by_currency
    GROUP BY day, product_id
), browsed AS (
    SELECT
        event_day AS day,
        product_id,
        max_by(product_category, product_valid_from) AS category,
        max(product_valid_from) AS valid_from,
        count_if(event_type = 'view_item') AS views,
        count(DISTINCT CASE WHEN event_type = 'view_item' THEN session_id END) AS viewers,
        count_if(event_type = 'add_to_cart') AS carts
    FROM {{ table('curated.events') }}
    WHERE event_day IN ({{ days | literal }}) AND product_id IS NOT NULL AND event_type IN ('view_item', 'add_to_cart')
    GROUP BY event_day, product_id
)
SELECT
    day,
    product_id,
    CASE WHEN b.valid_from IS NULL OR p.valid_from > b.valid_from THEN p.category ELSE b.category END AS category,
    coalesce(b.views, 0) AS views,
    coalesce(b.viewers, 0) AS viewers,
    coalesce(b.carts, 0) AS carts,
    coalesce(p.purchases, 0) AS purchases,
    coalesce(p.items, 0) AS items,
    CAST(coalesce(p.revenue, 0) AS DECIMAL(38, 2)) AS revenue,
    p.currency,
    p.currencies,
    day <= {{ complete_until | literal }} AS is_complete
FROM browsed AS b
FULL OUTER JOIN bought AS p USING (day, product_id)

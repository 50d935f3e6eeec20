-- severity: warn
-- meaning: more than one in a hundred purchases of the newest full day have no price, no currency or no order id: revenue is too low, or repeats count
-- owner: shop
WITH purchases AS (
    SELECT
        count(*) AS purchases,
        stack(
            3,
            'price', count_if(price IS NULL),
            'currency', count_if(coalesce(currency, '') = ''),
            'order_id', count_if(order_id IS NULL)
        ) AS (field, missing)
    FROM {{ table('curated.events') }}
    WHERE event_day = {{ newest_day | literal }} AND event_type = 'purchase'
)
SELECT {{ newest_day | literal }} AS day, field, missing, purchases FROM purchases WHERE missing * 100 > purchases

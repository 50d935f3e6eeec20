-- severity: error
-- meaning: the share of purchases with a price, a currency or an order id fell on the newest full day below half of the lowest of the seven days before
-- owner: shop
-- As event_type_lost, it stops the publication of one run. Days with fewer than 20 purchases are left out.
WITH counts AS (
    SELECT
        event_day,
        count(*) AS purchases,
        count(price) AS with_price,
        count(nullif(currency, '')) AS with_currency,
        count(order_id) AS with_order_id
    FROM {{ table('curated.events') }}
    WHERE event_day BETWEEN {{ newest_day | literal }} - INTERVAL 7 DAYS AND {{ newest_day | literal }} AND event_type = 'purchase'
    GROUP BY event_day
), shares AS (
    SELECT
        event_day,
        stack(
            3,
            'price', with_price / purchases,
            'currency', with_currency / purchases,
            'order_id', with_order_id / purchases
        ) AS (field, share)
    FROM counts
    WHERE purchases >= 20
)
SELECT
    field,
    max(CASE WHEN event_day = {{ newest_day | literal }} THEN share END) AS share,
    min(CASE WHEN event_day < {{ newest_day | literal }} THEN share END) AS lowest_share
FROM shares
GROUP BY field
HAVING max(CASE WHEN event_day = {{ newest_day | literal }} THEN share END)
    < min(CASE WHEN event_day < {{ newest_day | literal }} THEN share END) / 2

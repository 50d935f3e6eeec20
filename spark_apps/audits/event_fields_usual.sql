-- severity: warn
-- meaning: a field of an event type that on the newest full day is filled 20 percentage points more or less often than usual: the median of this weekday in the four weeks before
-- owner: shop
-- Only types with at least 20 events on a day.
WITH counts AS (
    SELECT
        event_day,
        event_type,
        count(*) AS events,
        count(user_id) AS with_user_id,
        count(device_id) AS with_device_id,
        count(product_id) AS with_product_id,
        count(quantity) AS with_quantity,
        count(price) AS with_price,
        count(nullif(currency, '')) AS with_currency,
        count(order_id) AS with_order_id,
        count(country) AS with_country
    FROM {{ table('curated.events') }}
    WHERE event_day IN ({{ newest_day | literal }}, {{ same_weekdays | literal }})
    GROUP BY event_day, event_type
), shares AS (
    SELECT
        event_day,
        event_type,
        stack(
            8,
            'user_id', with_user_id / events,
            'device_id', with_device_id / events,
            'product_id', with_product_id / events,
            'quantity', with_quantity / events,
            'price', with_price / events,
            'currency', with_currency / events,
            'order_id', with_order_id / events,
            'country', with_country / events
        ) AS (field, share)
    FROM counts
    WHERE events >= 20
)
SELECT
    event_type,
    field,
    max(CASE WHEN event_day = {{ newest_day | literal }} THEN share END) AS share,
    median(CASE WHEN event_day < {{ newest_day | literal }} THEN share END) AS usual_share
FROM shares
GROUP BY event_type, field
HAVING abs(
    max(CASE WHEN event_day = {{ newest_day | literal }} THEN share END)
    - median(CASE WHEN event_day < {{ newest_day | literal }} THEN share END)
) > 0.2

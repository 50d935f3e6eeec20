-- grain: one row per day
-- The days with a published event whose user or product version is not the one valid at its time in the current dimensions.
WITH users AS (
    SELECT * FROM {{ table('curated.users') }} WHERE coalesce(valid_to > {{ since_time | literal }}, true)
), products AS (
    SELECT * FROM {{ table('curated.products') }} WHERE coalesce(valid_to > {{ since_time | literal }}, true)
)
SELECT DISTINCT e.event_day
FROM {{ published('curated.events') }} AS e
LEFT JOIN users AS u
    ON u.user_id = e.user_id AND e.event_time >= u.valid_from AND (u.valid_to IS NULL OR e.event_time < u.valid_to)
LEFT JOIN products AS p
    ON p.product_id = e.product_id AND e.event_time >= p.valid_from AND (p.valid_to IS NULL OR e.event_time < p.valid_to)
WHERE e.event_day >= {{ since | literal }}
    AND NOT (
        struct(e.user_valid_from, e.user_country, e.user_segment) <=> struct(u.valid_from, u.country, u.segment)
        AND struct(e.product_valid_from, e.product_category, e.product_brand, e.product_list_price)
            <=> struct(p.valid_from, p.category, p.brand, p.list_price)
    )

-- The days with a published event that carries another version than the one valid now.
SELECT DISTINCT e.event_day
FROM {curated.events@published} AS e
LEFT JOIN {curated.users} AS u
    ON u.user_id = e.user_id AND e.event_time >= u.valid_from AND (u.valid_to IS NULL OR e.event_time < u.valid_to)
LEFT JOIN {curated.products} AS p
    ON p.product_id = e.product_id AND e.event_time >= p.valid_from AND (p.valid_to IS NULL OR e.event_time < p.valid_to)
WHERE e.event_day >= {since}
    AND NOT (
        struct(e.user_valid_from, e.user_country, e.user_segment) <=> struct(u.valid_from, u.country, u.segment)
        AND struct(e.product_valid_from, e.product_category, e.product_brand, e.product_list_price)
            <=> struct(p.valid_from, p.category, p.brand, p.list_price)
    )

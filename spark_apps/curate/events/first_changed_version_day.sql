-- grain: one row per branch
-- The first day with a user or product version that differs from the published one, or ends at another time; null if there is none.
WITH users AS (
    SELECT user_id, valid_from, country, segment FROM {{ table('curated.users') }}
), published_users AS (
    SELECT user_id, valid_from, country, segment FROM {{ published('curated.users') }}
), products AS (
    SELECT product_id, valid_from, category, brand, list_price FROM {{ table('curated.products') }}
), published_products AS (
    SELECT product_id, valid_from, category, brand, list_price FROM {{ published('curated.products') }}
), ends AS (
    -- The end of a version is the start of another one, unless the product was deleted.
    SELECT product_id, valid_to FROM {{ table('curated.products') }} WHERE valid_to IS NOT NULL
), published_ends AS (
    SELECT product_id, valid_to FROM {{ published('curated.products') }} WHERE valid_to IS NOT NULL
)
SELECT min(CAST(valid_from AS DATE)) AS since
FROM (
    SELECT valid_from FROM (TABLE users EXCEPT TABLE published_users)
    UNION ALL
    SELECT valid_from FROM (TABLE published_users EXCEPT TABLE users)
    UNION ALL
    SELECT valid_from FROM (TABLE products EXCEPT TABLE published_products)
    UNION ALL
    SELECT valid_from FROM (TABLE published_products EXCEPT TABLE products)
    UNION ALL
    SELECT valid_to FROM (TABLE ends EXCEPT TABLE published_ends)
    UNION ALL
    SELECT valid_to FROM (TABLE published_ends EXCEPT TABLE ends)
)

-- grain: one row per branch
-- The first day with a user or product version that differs from the published one; null if there is none.
WITH users AS (
    SELECT user_id, valid_from, country, segment FROM {{ table('curated.users') }}
), published_users AS (
    SELECT user_id, valid_from, country, segment FROM {{ published('curated.users') }}
), products AS (
    SELECT product_id, valid_from, category, brand, list_price FROM {{ table('curated.products') }}
), published_products AS (
    SELECT product_id, valid_from, category, brand, list_price FROM {{ published('curated.products') }}
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
)

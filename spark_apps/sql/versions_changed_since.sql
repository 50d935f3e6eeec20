-- Since when a user's or a product's version differs from the published one; null when none does.
WITH users AS (
    SELECT user_id, valid_from, country, segment FROM {curated.users}
), users_before AS (
    SELECT user_id, valid_from, country, segment FROM {curated.users@published}
), products AS (
    SELECT product_id, valid_from, category, brand, list_price FROM {curated.products}
), products_before AS (
    SELECT product_id, valid_from, category, brand, list_price FROM {curated.products@published}
)
SELECT min(CAST(valid_from AS DATE)) AS since
FROM (
    SELECT valid_from FROM (TABLE users EXCEPT TABLE users_before)
    UNION ALL
    SELECT valid_from FROM (TABLE users_before EXCEPT TABLE users)
    UNION ALL
    SELECT valid_from FROM (TABLE products EXCEPT TABLE products_before)
    UNION ALL
    SELECT valid_from FROM (TABLE products_before EXCEPT TABLE products)
)

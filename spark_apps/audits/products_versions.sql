-- severity: error
-- meaning: a product's version that is empty, does not end where the next version begins, or has a wrong is_current
-- owner: lake
WITH versions AS (
    SELECT *, lead(valid_from) OVER (PARTITION BY product_id ORDER BY valid_from) AS next_from FROM {{ table('curated.products') }}
)
SELECT product_id, valid_from, valid_to, next_from, is_current
FROM versions
WHERE NOT valid_to <=> next_from OR is_current <> (next_from IS NULL) OR valid_to <= valid_from

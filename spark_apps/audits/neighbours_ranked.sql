-- severity: error
-- meaning: a neighbour with a wrong or too high position, listed twice, heavier than the one before it, or equal to the product
-- owner: features
WITH ranked AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY product_id ORDER BY position) AS expected_position,
        lag(weight) OVER (PARTITION BY product_id ORDER BY position) AS previous_weight,
        count(*) OVER (PARTITION BY product_id, neighbour_id) AS times
    FROM {{ table('features.item_neighbours') }}
)
SELECT product_id, position, neighbour_id, weight, expected_position, previous_weight, times
FROM ranked
WHERE position <> expected_position
    OR position > {{ neighbours.per_item }}
    OR times > 1
    OR weight > previous_weight
    OR NOT weight > 0
    OR neighbour_id = product_id

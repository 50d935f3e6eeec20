-- severity: error
-- meaning: a product that shares a training session with another product and has no neighbour, or the other way round
-- owner: features
WITH products AS (
    SELECT explode(items) AS product_id, 1 AS in_sessions, 0 AS in_neighbours
    FROM {{ table('features.training_sessions') }}
    WHERE size(array_distinct(items)) > 1
    UNION ALL
    SELECT product_id, 0, 1 FROM {{ table('features.item_neighbours') }}
)
SELECT product_id, max(in_sessions) AS in_sessions, max(in_neighbours) AS in_neighbours
FROM products
GROUP BY product_id
HAVING max(in_sessions) <> max(in_neighbours)

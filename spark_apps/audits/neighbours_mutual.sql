-- severity: error
-- meaning: a neighbour whose own list is not full and lacks the product, or two weights of one pair that no pair of views can give
-- owner: features
-- The two weights of a pair differ at most by the factor backward_weight, as long as the weights are not normalised.
WITH neighbours AS (
    SELECT *, count(*) OVER (PARTITION BY product_id) AS neighbour_count FROM {{ table('features.item_neighbours') }}
), products AS (
    SELECT DISTINCT product_id, neighbour_count FROM neighbours
)
SELECT n.product_id, n.neighbour_id, n.weight, r.weight AS reverse_weight, p.neighbour_count AS neighbours_of_neighbour
FROM neighbours AS n
LEFT JOIN products AS p ON p.product_id = n.neighbour_id
LEFT JOIN neighbours AS r ON r.product_id = n.neighbour_id AND r.neighbour_id = n.product_id
WHERE coalesce(
    NOT n.weight / r.weight BETWEEN {{ neighbours.backward_weight }} - 0.0001 AND 1 / {{ neighbours.backward_weight }} + 0.0001,
    coalesce(p.neighbour_count, 0) < {{ neighbours.per_item }}
)

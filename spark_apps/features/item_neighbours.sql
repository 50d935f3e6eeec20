-- grain: one row per product and position
-- Co-visitation: the weight of two products viewed close to each other in a session, by the formula and the parameters of
-- contracts/clickstream_contracts/rules/covisitation.yaml. Weights are summed as whole numbers, in units of 1 / {{ units.denominator }}:
-- a sum of doubles would depend on the order of the rows.
WITH views AS (
    SELECT items, posexplode(items) AS (view_index, product_id)
    FROM {{ table('features.training_sessions') }}
), pairs AS (
    SELECT v.product_id AS earlier, following.product_id AS later, following.step + 1 AS distance
    FROM views AS v
    LATERAL VIEW posexplode(slice(v.items, v.view_index + 2, {{ parameters.window }})) following AS step, product_id
{% if not parameters.repeats %}
    WHERE v.product_id <> following.product_id
{% endif %}
), links AS (
    SELECT earlier AS product_id, later AS neighbour_id, {{ units.denominator }} DIV distance AS weight FROM pairs
    UNION ALL
    SELECT later, earlier, {{ units.backward_weight }} DIV distance FROM pairs
{% if units.self_weight %}
    UNION ALL
    SELECT product_id, product_id, {{ units.self_weight }} FROM views
{% endif %}
), sums AS (
    SELECT product_id, neighbour_id, sum(weight) AS weight FROM links GROUP BY product_id, neighbour_id
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY product_id ORDER BY weight DESC, neighbour_id) AS position FROM sums
{% if parameters.normalise %}
), view_counts AS (
    SELECT product_id, count(*) AS view_count FROM views GROUP BY product_id
)
SELECT product_id, position, neighbour_id, weight / CAST({{ units.denominator }} * view_count AS DOUBLE) AS weight
FROM ranked
JOIN view_counts USING (product_id)
{% else %}
)
SELECT product_id, position, neighbour_id, weight / CAST({{ units.denominator }} AS DOUBLE) AS weight
FROM ranked
{% endif %}
WHERE position <= {{ parameters.per_item }}

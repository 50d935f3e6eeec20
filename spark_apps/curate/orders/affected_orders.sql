-- grain: one row per published order
-- Orders that have, or had, an event on the affected days.
{% import "macros.sql" as macros %}
SELECT o.*
FROM {{ published('curated.orders') }} AS o
LEFT JOIN order_ids_of_days AS i ON i.order_id = o.order_id
WHERE i.order_id IS NOT NULL OR arrays_overlap({{ macros.days_of_order("o") }}, array({{ days | literal }}))

-- grain: one row per day
-- The days on which the affected orders have events.
{% import "macros.sql" as macros %}
SELECT DISTINCT explode({{ macros.days_of_order("affected_orders") }}) AS day FROM affected_orders

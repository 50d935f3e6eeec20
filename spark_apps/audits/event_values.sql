-- severity: error
-- meaning: an event with a negative quantity or price, a latitude or longitude out of range, or an amount other than price x quantity
-- owner: lake
{% import "formulas.sql" as formulas %}
{% import "macros.sql" as macros %}
SELECT event_id, quantity, price, amount, latitude, longitude
FROM {{ table('curated.events') }}
WHERE {{ macros.on_days("event_day", changed_days) }}
    AND (quantity < 0 OR price < 0 OR abs(latitude) > 90 OR abs(longitude) > 180 OR amount <> {{ formulas.amount() }})

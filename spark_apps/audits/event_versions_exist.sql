-- severity: error
-- meaning: an event that carries another user or product version than the one valid at its time
-- owner: lake
-- Days that wait for a later run (spark_apps/common/waiting_days.py) have the versions of an earlier one.
{% import "macros.sql" as macros %}
WITH users AS (
    {{ macros.versions_of(table('curated.users'), changed_ranges) }}
), products AS (
    {{ macros.versions_of(table('curated.products'), changed_ranges) }}
)
SELECT e.event_id, e.event_time, e.user_valid_from, u.valid_from AS user_version, e.product_valid_from, p.valid_from AS product_version
FROM {{ table('curated.events') }} AS e
LEFT JOIN users AS u
    ON u.user_id = e.user_id AND e.event_time >= u.valid_from AND (u.valid_to IS NULL OR e.event_time < u.valid_to)
LEFT JOIN products AS p
    ON p.product_id = e.product_id AND e.event_time >= p.valid_from AND (p.valid_to IS NULL OR e.event_time < p.valid_to)
WHERE {{ macros.on_days("e.event_day", changed_days) }}
    AND NOT {{ macros.on_days("e.event_day", waiting_days) }}
    AND NOT (
    struct(e.user_valid_from, e.user_country, e.user_segment) <=> struct(u.valid_from, u.country, u.segment)
    AND struct(e.product_valid_from, e.product_category, e.product_brand, e.product_list_price)
        <=> struct(p.valid_from, p.category, p.brand, p.list_price)
)

{# Macros of the Spark SQL: `{% import "macros.sql" as macros %}`. #}
{% import "formulas.sql" as formulas %}

{# The id of the order of a purchase or refund; an event without order_id is an order of its own. #}
{% macro order_key(events) -%}
coalesce({{ events }}.order_id, concat('event:', {{ events }}.event_id))
{%- endmacro %}

{# The amount of a row of curated.events. In rows written before the table had the column `amount` it is null, and a sum over
   them would be too small; for these the amount is computed from price and quantity. Both are null without a price. #}
{% macro amount_of(events) -%}
coalesce({{ events }}.amount, {{ formulas.amount(events ~ ".price", events ~ ".quantity") }})
{%- endmacro %}

{# The currency of an event in upper case, null without one: rows of earlier releases hold it as it was sent. #}
{% macro currency_of(events) -%}
nullif(upper(trim({{ events }}.currency)), '')
{%- endmacro %}

{# Whether an event is of a user who is signed in: a failed sign-in names the user that somebody tried. #}
{% macro has_user(events) -%}
({{ events }}.user_id IS NOT NULL AND {{ events }}.event_type <> 'login_failed')
{%- endmacro %}

{# Whether a session is a visit of the shop: a refund is entered by its staff, and is no visitor who buys nothing. #}
{% macro is_visit(sessions) -%}
{{ sessions }}.events > coalesce({{ sessions }}.refunds, 0)
{%- endmacro %}

{# The part of a visit that an event is in: a visit without a pause since `visit_start` is one session up to the midnight of the
   first day that it fills (it began in the day's first {{ session_pause }} or before), then one session a day. Null in the first part. #}
{% macro visit_part(visit_start, event_time) -%}
CASE
    WHEN {{ visit_start }} <= CAST({{ event_time }} AS DATE) - INTERVAL 1 DAY + {{ session_pause }} THEN CAST({{ event_time }} AS DATE)
END
{%- endmacro %}

{# The days on which an order can have events: rows of earlier releases know only the first and the last one. #}
{% macro days_of_order(orders) -%}
coalesce({{ orders }}.line_days, sequence({{ orders }}.order_day, CAST({{ orders }}.last_at AS DATE)))
{%- endmacro %}

{# Whether a day is one of `days`; without a list (none) each day is. #}
{% macro on_days(column, days) -%}
{% if days is none %}true{% elif days %}{{ column }} IN ({{ days | literal }}){% else %}false{% endif %}
{%- endmacro %}

{# Whether the time from `first` to `last` overlaps one of the ranges; without a list (none) it does. With these constants Iceberg skips files. #}
{% macro overlaps(first, last, ranges, pause="INTERVAL '0' MINUTE") -%}
{% if ranges is none %}true{% elif not ranges %}false{% else %}({% for since, until in ranges %}
{{ first }} < {{ until | literal }} + {{ pause }} AND {{ last }} >= {{ since | literal }} - {{ pause }}{{ "" if loop.last else " OR " }}{% endfor %}
){% endif %}
{%- endmacro %}

{# The versions of a dimension that are valid at a time of the ranges. #}
{% macro versions_of(dimension, ranges) -%}
SELECT * FROM {{ dimension }} AS v WHERE {{ overlaps("v.valid_from", "coalesce(v.valid_to, TIMESTAMP'9999-12-31 00:00:00')", ranges) }}
{%- endmacro %}

{# The offset range of the newest run in each partition. `table` is the function of the template. A partition whose newest run is much
   older than that of the others is left out: it was audited then, and the tables of the streams may keep its records no longer. #}
{% macro newest_offsets(table) -%}
SELECT kafka_partition, max(start_offset) AS start_offset, max(end_offset) AS end_offset
FROM {{ table('curated.ingest_ledger') }}
GROUP BY kafka_partition
HAVING max(day) >= (SELECT max(day) FROM {{ table('curated.ingest_ledger') }}) - INTERVAL 100 DAYS
{%- endmacro %}

{# Rows of the products that the shop has deleted; a product without any state is not among them. #}
{% macro deleted_products(table) -%}
SELECT product_id FROM {{ table('curated.products') }} GROUP BY product_id HAVING NOT bool_or(is_current)
{%- endmacro %}

{# Who placed an order: its user, for a guest the device, else the session, else nobody but this order is known. #}
{% macro buyer(orders, unknown_session) -%}
coalesce(
    concat('user:', {{ orders }}.user_id),
    concat('device:', {{ orders }}.device_id),
    concat('session:', CASE WHEN NOT startswith({{ orders }}.session_id, {{ unknown_session | literal }}) THEN {{ orders }}.session_id END),
    concat('order:', {{ orders }}.order_id)
)
{%- endmacro %}

{# An amount in the reporting currency, rounded half up to two decimals; null without a rate, and for an amount of more than 18 digits. #}
{% macro converted(amount, rate) -%}
try_cast(round(try_cast({{ amount }} AS DECIMAL(20, 2)) * {{ rate }}, 2) AS DECIMAL(38, 2))
{%- endmacro %}

{# Formulas that several queries need; `{% import "formulas.sql" as formulas %}` with sql_templates.SHARED_SQL in `include`. #}

{# Amount of an event in its currency: price of one piece x pieces, 1 piece where the quantity is missing; null without a price. #}
{% macro amount(price="price", quantity="quantity") -%}
({{ price }} * COALESCE({{ quantity }}, 1))
{%- endmacro %}

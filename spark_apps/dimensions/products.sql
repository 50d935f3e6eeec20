-- grain: one row per product and version
-- The versions of each product, from every state that the shop sent. An attribute that a state does not have is as in the state
-- before: an export without brands erases none. A deletion ends the version, and no version begins.
WITH states AS (
    -- Of two states of the same instant one is chosen, the same one in each run.
    SELECT
        *,
        row_number() OVER (
            PARTITION BY product_id, updated_at
            ORDER BY
                deleted DESC NULLS LAST, name NULLS LAST, category NULLS LAST, brand NULLS LAST, list_price NULLS LAST, currency NULLS LAST
        ) AS state_number
    FROM {{ table('landing.products') }}
), completed AS (
    SELECT
        product_id,
        updated_at,
        coalesce(deleted, false) AS is_deleted,
        last_value(name) IGNORE NULLS OVER so_far AS name,
        last_value(category) IGNORE NULLS OVER so_far AS category,
        last_value(brand) IGNORE NULLS OVER so_far AS brand,
        last_value(list_price) IGNORE NULLS OVER so_far AS list_price,
        last_value(currency) IGNORE NULLS OVER so_far AS currency
    FROM states
    WHERE state_number = 1
    WINDOW so_far AS (PARTITION BY product_id ORDER BY updated_at ROWS UNBOUNDED PRECEDING)
), with_state AS (
    SELECT *, struct(is_deleted, name, category, brand, list_price, currency) AS state FROM completed
), with_previous AS (
    SELECT *, lag(state) OVER (PARTITION BY product_id ORDER BY updated_at) AS previous_state FROM with_state
), changes AS (
    SELECT *, lead(updated_at) OVER (PARTITION BY product_id ORDER BY updated_at) AS next_change
    FROM with_previous
    WHERE previous_state IS NULL OR NOT state <=> previous_state
)
SELECT
    product_id,
    name,
    category,
    brand,
    list_price,
    currency,
    updated_at AS valid_from,
    next_change AS valid_to,
    next_change IS NULL AS is_current
FROM changes
WHERE NOT is_deleted

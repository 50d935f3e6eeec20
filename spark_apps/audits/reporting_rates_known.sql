-- severity: warn
-- meaning: a day and currency without a rate in the reporting currency, or computed with another rate than the newest known one
-- owner: shop
-- Days before the first rate and amounts of 0 are left out. `fix` says whether a rate is missing or the day has to be computed again.
WITH rates AS (
    SELECT reporting_currency, currency, day, rate FROM {{ table('landing.currency_rates') }}
), first_rate AS (
    SELECT min(day) AS first_day, max(reporting_currency) AS reporting_currency FROM rates
), newest_rates AS (
    SELECT m.day, m.currency, max_by(r.rate, r.day) AS rate
    FROM {{ table('marts.revenue_daily') }} AS m
    JOIN rates AS r ON r.currency = m.currency AND r.day <= m.day AND r.day >= date_sub(m.day, {{ max_rate_age | literal }})
    GROUP BY m.day, m.currency
), expected AS (
    SELECT
        m.*,
        f.reporting_currency AS known_currency,
        CASE WHEN m.currency = f.reporting_currency THEN 1 ELSE n.rate END AS known_rate
    FROM {{ table('marts.revenue_daily') }} AS m
    JOIN first_rate AS f ON m.day >= f.first_day
    LEFT JOIN newest_rates AS n ON n.day = m.day AND n.currency = m.currency
)
SELECT
    day,
    currency,
    revenue,
    reporting_rate,
    known_rate,
    CASE WHEN known_rate IS NULL THEN 'load a rate, then rebuild the day' ELSE 'rebuild the day' END AS fix
FROM expected
WHERE (revenue <> 0 OR refunded <> 0) AND (known_rate IS NULL OR NOT (known_rate <=> reporting_rate AND known_currency <=> reporting_currency))
ORDER BY day DESC, currency

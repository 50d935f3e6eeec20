-- grain: one row per data file
SELECT * FROM {{ files }}

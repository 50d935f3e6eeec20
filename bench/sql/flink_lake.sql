-- The lake's two tables on this machine's disk: the bench must not write into the real ones.
CREATE CATALOG lake WITH ('type' = 'iceberg', 'catalog-type' = 'hadoop', 'warehouse' = 'file://{{folder}}');

CREATE DATABASE lake.`raw`;

CREATE TABLE lake.`raw`.clicks ({{clicks}});

CREATE TABLE lake.`raw`.quarantine ({{quarantine}});

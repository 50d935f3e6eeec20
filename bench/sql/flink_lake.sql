-- The two tables of clicks_to_lake in a catalog on this disk: a benchmark does not write into the real tables.
CREATE CATALOG lake WITH ('type' = 'iceberg', 'catalog-type' = 'hadoop', 'warehouse' = 'file://{{ folder }}');

CREATE DATABASE lake.`raw`;

CREATE TABLE lake.`raw`.clicks ({{ clicks }});

CREATE TABLE lake.`raw`.quarantine ({{ quarantine }});

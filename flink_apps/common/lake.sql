-- The Iceberg tables on Nessie's main branch as the catalog `lake`.
-- Never saved and never printed: the rendered text holds the keys of the object store.
CREATE CATALOG lake WITH (
  'type' = 'iceberg',
  'catalog-type' = 'rest',
  'uri' = '{{ iceberg_uri }}',
  'warehouse' = '{{ warehouse }}',
  'io-impl' = 'org.apache.iceberg.aws.s3.S3FileIO',
  's3.endpoint' = '{{ s3_endpoint }}',
  's3.path-style-access' = 'true',
  's3.access-key-id' = '{{ s3_access_key }}',
  's3.secret-access-key' = '{{ s3_secret_key }}',
  'client.region' = '{{ s3_region }}'
);

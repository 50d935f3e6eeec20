"""Properties of the S3 and Nessie clients of each library, each listed once.

With CLICKSTREAM_S3_CREDENTIALS=environment no keys are passed, and each library uses its SDK's provider chain.
"""

import ssl
from typing import Any

from clickstream_contracts.settings import Settings


def boto3(settings: Settings) -> dict[str, Any]:
    """Returns the arguments of `boto3.client("s3", ...)`."""
    keys = settings.s3_keys()
    return {
        "endpoint_url": settings.s3_endpoint,
        "region_name": settings.s3_region,
        "verify": settings.ca_bundle or None,
        **({"aws_access_key_id": keys[0], "aws_secret_access_key": keys[1]} if keys else {}),
    }


def pyarrow(settings: Settings) -> dict[str, Any]:
    """Returns the arguments of `pyarrow.fs.S3FileSystem`."""
    keys = settings.s3_keys()
    return {
        "endpoint_override": settings.s3_endpoint,
        "region": settings.s3_region,
        **({"tls_ca_file_path": settings.ca_bundle} if settings.ca_bundle else {}),
        **({"access_key": keys[0], "secret_key": keys[1]} if keys else {}),
    }


def iceberg_java(settings: Settings, ref: str = "main") -> dict[str, str]:
    """Returns the options of the Java Iceberg catalog (Spark, Flink) at a branch, a tag or `branch@hash`."""
    keys, token = settings.s3_keys(), settings.nessie_token()
    return {
        "uri": settings.iceberg_uri(ref),
        "warehouse": settings.warehouse,
        "io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        "s3.endpoint": settings.s3_endpoint,
        "s3.path-style-access": "true",
        "client.region": settings.s3_region,
        **({"s3.access-key-id": keys[0], "s3.secret-access-key": keys[1]} if keys else {}),
        **({"token": token} if token else {}),
    }


def tls_context(settings: Settings) -> ssl.SSLContext | bool:
    """Returns what httpx takes as `verify`: the certificates of the CA bundle, or True for those of the system."""
    return ssl.create_default_context(cafile=settings.ca_bundle) if settings.ca_bundle else True


def python_environment(settings: Settings) -> dict[str, str]:
    """Returns the variables by which Python libraries that open connections of their own trust the CA bundle.

    PyArrow reads SSL_CERT_FILE when it is imported, so they must be set before the process starts.
    """
    names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE") if settings.ca_bundle else ()
    return dict.fromkeys(names, settings.ca_bundle)

"""What the pods that Airflow starts mount with workload identity and with a private CA."""

from typing import Any

from clickstream.runtime import pod_specs

IDENTITY = {"CLICKSTREAM_S3_CREDENTIALS": "environment"}
PRIVATE_CA = {"CLICKSTREAM_CA_BUNDLE": "/etc/clickstream/ca/ca.pem"}


def mounts(variables: dict[str, str]) -> dict[str, Any]:
    volumes = [pod_specs.TMP, *pod_specs.s3_keys(variables), *pod_specs.certificates(variables)]
    spec = pod_specs.pod_spec("spark-driver", {"name": "main"}, volumes)
    paths = {mount["mountPath"]: (mount["name"], mount.get("readOnly", False)) for mount in spec["containers"][0]["volumeMounts"]}
    assert {name for name, _ in paths.values()} == {volume["name"] for volume in spec["volumes"]}
    return paths


def test_the_secret_with_the_keys_is_mounted_unless_there_is_a_workload_identity() -> None:
    assert mounts({}) == {"/tmp": ("tmp", False), "/etc/clickstream/secrets": ("lake-keys", True)}
    assert mounts(IDENTITY) == {"/tmp": ("tmp", False)}


def test_the_certificates_are_mounted_where_the_setting_says() -> None:
    assert mounts(IDENTITY | PRIVATE_CA) == {"/tmp": ("tmp", False), "/etc/clickstream/ca": ("ca", True)}

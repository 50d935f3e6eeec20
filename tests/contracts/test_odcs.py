"""Every contract file is valid by the official JSON schema of the Open Data Contract Standard."""

import copy
import json
from collections.abc import Callable
from importlib import resources
from typing import Any

import jsonschema
import pytest
import yaml

from clickstream_contracts import schema

PACKAGE = resources.files("clickstream_contracts")
ODCS = json.loads((PACKAGE / "odcs" / f"odcs-json-schema-{schema.API_VERSION}.json").read_text())
VALIDATOR = jsonschema.Draft201909Validator(ODCS)
FILES = {file.name: file for folder in ("events", "tables") for file in (PACKAGE / folder).iterdir() if file.name.endswith(".yaml")}


def errors(contract: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(contract)]


def load(name: str) -> Any:
    return yaml.safe_load(FILES[name].read_text())


def column(contract: Any, name: str) -> Any:
    return next(entry for entry in contract["schema"][0]["properties"] if entry["name"] == name)


def test_every_contract_has_a_file_that_is_validated() -> None:
    assert {name.removesuffix(".yaml") for name in FILES} == {schema.event().id, *schema.tables()}


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_contract_is_valid_odcs(name: str) -> None:
    assert errors(load(name)) == []


VIOLATIONS: list[Callable[[Any], Any]] = [
    lambda contract: contract.pop("status"),
    lambda contract: contract.update(apiVersion="v3.9.0"),
    lambda contract: contract.update(partitioning=["event_time"]),
    lambda contract: column(contract, "event_time").update(logicalType="timestamptz"),
    lambda contract: column(contract, "event_time").update(partitionKeyPosition="first"),
    lambda contract: column(contract, "price").update(logicalTypeOptions={"maxLength": 5}),
    lambda contract: column(contract, "event_type")["quality"][0].update(metric="choices"),
    lambda contract: contract["schema"][0]["quality"][0].update(rule="offsets_unique"),
]


@pytest.mark.parametrize("violate", VIOLATIONS)
def test_a_planted_violation_is_reported(violate: Callable[[Any], Any]) -> None:
    contract = copy.deepcopy(load("raw.clicks.yaml"))
    violate(contract)
    assert errors(contract)

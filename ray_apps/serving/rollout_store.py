"""Reads the rollout from Nessie and Iceberg: the pointer in `serving.rollout`, and models by the folder in `ml.models`."""

import json
from functools import cached_property
from typing import Protocol
from urllib.request import urlopen

from pyiceberg.catalog.rest import RestCatalog

from clickstream_contracts import names
from clickstream_contracts.rollout_pointer import Pointer
from clickstream_contracts.settings import Settings
from ray_apps.common import model_registry
from ray_apps.common.storage import open_storage
from ray_apps.recommender import artefacts
from ray_apps.recommender.artefacts import Artefact

TIMEOUT_SECONDS = 10.0


class RolloutStore(Protocol):
    """What the router reads; any method may raise if the store cannot be reached."""

    def commit(self) -> str:
        """Returns the commit of main: while it is the same, the pointer has not moved. Cheap, called every few seconds."""

    def pointer(self) -> Pointer:
        """Returns the current pointer."""

    def load_model(self, sha256: str) -> Artefact:
        """Reads a model and verifies its checksums."""


class NessieRolloutStore:
    """The rollout on Nessie's main branch."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def commit(self) -> str:
        """Returns the hash of main."""
        with urlopen(f"{self._settings.nessie_uri}/api/v2/trees/{names.MAIN}", timeout=TIMEOUT_SECONDS) as response:
            return str(json.load(response)["reference"]["hash"])

    def pointer(self) -> Pointer:
        """Returns the newest row of `serving.rollout` as a pointer; an empty one if the table has no rows."""
        return model_registry.pointer(self._catalog)

    def load_model(self, sha256: str) -> Artefact:
        """Reads a model from its folder. Raises RegistryError if `ml.models` does not have it, ArtefactError if a checksum differs."""
        row = model_registry.model_row(self._catalog, sha256)
        file_system, folder = open_storage(row["uri"], self._settings)
        return artefacts.read(file_system, folder, sha256)

    @cached_property
    def _catalog(self) -> RestCatalog:
        return model_registry.open_catalog(self._settings, names.MAIN)

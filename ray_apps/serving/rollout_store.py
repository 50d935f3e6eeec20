"""Reads the rollout from Nessie and Iceberg: the pointer in `serving.rollout`, and models by the folder in `ml.models`."""

import json
from functools import cached_property
from typing import Protocol
from urllib.request import urlopen

from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.exceptions import NoSuchTableError

from clickstream_contracts import names
from clickstream_contracts.rollout_pointer import Pointer, release_of_stable
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

    def pointer(self) -> tuple[Pointer, str]:
        """Returns the current pointer, and the release of its stable model."""

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

    def pointer(self) -> tuple[Pointer, str]:
        """Returns the newest row of `serving.rollout` as a pointer, an empty one without table or rows; and the stable release."""
        try:
            rows = model_registry.rollout_steps(self._catalog)
        except NoSuchTableError:
            rows = []
        return Pointer.newest(rows), release_of_stable(rows)

    def load_model(self, sha256: str) -> Artefact:
        """Reads a model from its folder. Raises RegistryError if `ml.models` does not have it, ArtefactError if a checksum differs."""
        row = model_registry.model_row(self._catalog, sha256)
        file_system, folder = open_storage(row["uri"], self._settings)
        return artefacts.read(file_system, folder, sha256)

    @cached_property
    def _catalog(self) -> RestCatalog:
        return model_registry.open_catalog(self._settings, names.MAIN)

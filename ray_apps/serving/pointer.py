"""The rollout's pointer: which model serves whom. The newest row of serving.rollout, on main."""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol
from urllib.request import urlopen

from pyiceberg.catalog.rest import RestCatalog

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from ray_apps.common.storage import open_place
from ray_apps.recommender import artefacts
from ray_apps.recommender.artefacts import Artefact

ROLLOUT, MODELS = "serving.rollout", "ml.models"
TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class Pointer:
    """A release: sha256 of the stable and of the candidate model ('' if there is none), and the candidate's share of users."""

    release: str = ""
    stable: str = ""
    candidate: str = ""
    share: int = 0


class Lake(Protocol):
    """What a follower asks of the lake."""

    def state(self) -> str:
        """A text that differs whenever the pointer may have moved; cheap."""

    def pointer(self) -> Pointer:
        """Where the pointer is now."""

    def model(self, sha256: str) -> Artefact:
        """The model of this name, every byte checked."""


class NoModel(LookupError):
    """The lake names no folder of a model."""


class NessieLake:
    """The lake as it is on main."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def state(self) -> str:
        """The hash of main."""
        with urlopen(f"{self._settings.nessie_uri}/api/v2/trees/{names.MAIN}", timeout=TIMEOUT_SECONDS) as answer:
            return str(json.load(answer)["reference"]["hash"])

    def pointer(self) -> Pointer:
        """The newest row; no row is no model."""
        rows = self._catalog.load_table(ROLLOUT).scan().to_arrow().sort_by("at").to_pylist()
        return Pointer(**{name: rows[-1][name] for name in ("release", "stable", "candidate", "share")}) if rows else Pointer()

    def model(self, sha256: str) -> Artefact:
        """Read it from the folder that ml.models names. Raises NoModel, or ArtefactError if a byte differs."""
        found = self._catalog.load_table(MODELS).scan(f"model_sha256 == '{sha256}'", selected_fields=("uri",)).to_arrow()
        if not len(found):
            raise NoModel(f"{MODELS} names no folder of model {sha256[:12]}")
        return artefacts.read(*open_place(found["uri"][0].as_py(), self._settings), sha256)

    @cached_property
    def _catalog(self) -> RestCatalog:
        return RestCatalog("nessie", **self._settings.pyiceberg())

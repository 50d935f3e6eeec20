"""Before a rollout step each model of the new pointer is verified; an upgrade must not block the step that replaces an old model."""

import logging
from collections.abc import Callable

import pytest

from clickstream_contracts.settings import Settings
from ray_apps.common.pointer import Pointer
from ray_apps.jobs import rollout
from ray_apps.recommender import artefacts
from ray_apps.recommender.artefacts import ArtefactError, IncompatibleArtefact

OLD, NEW = "a" * 64, "b" * 64


@pytest.fixture
def reading_raises(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception], None]:
    """Returns a function that sets what reading any model raises."""

    def set_error(error: Exception) -> None:
        def read(*arguments: object) -> None:
            raise error

        monkeypatch.setattr(artefacts, "read", read)

    return set_error


def test_the_stable_model_may_be_of_another_format(reading_raises: Callable[[Exception], None], caplog: pytest.LogCaptureFixture) -> None:
    reading_raises(IncompatibleArtefact("artefact format 1", OLD))
    with caplog.at_level(logging.WARNING):
        rollout._verify(Settings(), "file:///model", OLD, Pointer("r1", stable=OLD))
    assert caplog.messages == [f"stable model {OLD[:12]} stays although new replicas cannot load it: artefact format 1"]


def test_a_model_that_the_step_brings_into_service_must_be_of_this_format(reading_raises: Callable[[Exception], None]) -> None:
    reading_raises(IncompatibleArtefact("artefact format 1", NEW))
    with pytest.raises(IncompatibleArtefact):
        rollout._verify(Settings(), "file:///model", NEW, Pointer("r1", stable=OLD, candidate=NEW))


def test_a_damaged_stable_model_stops_the_step(reading_raises: Callable[[Exception], None]) -> None:
    reading_raises(ArtefactError("items.arrow: is not what was written"))
    with pytest.raises(ArtefactError, match="is not what was written"):
        rollout._verify(Settings(), "file:///model", OLD, Pointer("r1", stable=OLD))

"""The set-up without running it: what a machine must have, which results are up to date, and pip's settings for uv."""

import platform
import shutil
from pathlib import Path

import pytest

from tools.localstack import package_index, prerequisites
from tools.localstack.bootstrap import digest, is_up_to_date, mark_up_to_date


def test_the_tools_environment_needs_neither_jdk_nor_maven(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prerequisites, "java_version", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda program: None if program == "mvn" else f"/usr/bin/{program}")
    assert prerequisites.problems(["tools"]) == []
    assert len(prerequisites.problems(["tools", "jars"])) == 2


@pytest.mark.parametrize(("version", "is_usable"), [(11, False), (17, True), (22, True), (23, False)])
def test_a_jdk_that_flinks_s3_plugin_cannot_use_is_refused(monkeypatch: pytest.MonkeyPatch, version: int, is_usable: bool) -> None:
    monkeypatch.setattr(prerequisites, "java_version", lambda: version)
    problems = [problem for problem, _ in prerequisites.problems(["flink"]) if "JDK 17 to 22" in problem]
    assert bool(problems) != is_usable


def test_a_machine_without_wheels_for_the_stack_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    problems = dict(prerequisites.problems(["ray"]))
    assert "Linux x86-64" in problems["this machine is Linux arm64"]
    assert "this machine is Linux arm64" not in dict(prerequisites.problems(["tools"]))


def test_a_folder_is_up_to_date_until_its_source_changes(tmp_path: Path) -> None:
    assert not is_up_to_date(tmp_path, digest(b"lock"))
    mark_up_to_date(tmp_path, digest(b"lock"))
    assert is_up_to_date(tmp_path, digest(b"lock"))
    assert not is_up_to_date(tmp_path, digest(b"another lock"))


def test_pip_settings_become_variables_of_uv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    pip_settings = {"index-url": "https://one.example/simple", "find-links": f"{tmp_path}/wheels\n{tmp_path}/gone", "cert": "/ca.pem"}
    monkeypatch.setattr(package_index, "_pip_settings", lambda python: pip_settings)
    for _, variable, _ in package_index.OPTIONS:
        monkeypatch.delenv(variable, raising=False)
    expected = {"UV_DEFAULT_INDEX": "https://one.example/simple", "UV_FIND_LINKS": f"{tmp_path}/wheels", "SSL_CERT_FILE": "/ca.pem"}
    assert package_index.pip_as_uv("python") == expected
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://two.example/simple")
    assert "UV_DEFAULT_INDEX" not in package_index.pip_as_uv("python")

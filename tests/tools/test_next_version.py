"""The next version that the upgrade test of the cluster deploys can be written from the present source."""

from pathlib import Path

from tests.cluster import next_version


def test_the_changes_apply_to_the_present_source(tmp_path: Path) -> None:
    folder = tmp_path / "next"
    next_version.write(folder)
    for file, text, new_text in next_version.CHANGES:
        content = (folder / file).read_text()
        assert content.count(new_text) == 1, file
        assert new_text.endswith(text) or text not in content

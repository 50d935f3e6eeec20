"""manifests/secrets.tsv: every Secret that a deployment makes, with its keys."""

from tests.manifests.rendered import MANIFESTS


def rows() -> list[tuple[str, str, str, str]]:
    """Namespace, Secret, key, and the name of the value."""
    lines = (MANIFESTS / "secrets.tsv").read_text().splitlines()
    fields = [tuple(line.split("\t")) for line in lines if not line.startswith("#")]
    return [(a, b, c, d) for a, b, c, d in fields]


def names() -> set[tuple[str, str]]:
    """Namespace and name of each Secret."""
    return {row[:2] for row in rows()}

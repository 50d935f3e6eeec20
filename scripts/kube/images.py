"""Which images of a deployment no node has, where no node can pull them.

    python3 -m scripts.kube.images <rendered overlay and operators

Prints one problem or note per line: `problem` or `note`, text, fix, separated by tabs. Exit code 0 also then.
"""

import sys
from collections.abc import Iterator
from typing import Any

from scripts.kube import kubectl
from scripts.kube.kubectl import KubectlError, Object

# A registry of this name does not exist: such images are loaded into the nodes.
LOCAL = "localhost/"
# A node lists at most 50 images (nodeStatusMaxImages): the list may be cut.
LISTED_IMAGES = 50


def images(node: Any) -> Iterator[str]:
    """Yields every image of containers anywhere below a value, and those that the settings name."""
    if isinstance(node, dict):
        for key, value in node.items():
            if isinstance(value, str) and (key == "image" or key.endswith("_IMAGE")):
                yield value
            else:
                yield from images(value)
    elif isinstance(node, list):
        for value in node:
            yield from images(value)


def check(objects: list[Object], nodes: list[Object]) -> list[tuple[str, str, str]]:
    """Returns the problems and notes."""
    used = {image for item in objects for image in images(item) if item["kind"] != "CustomResourceDefinition"}
    lists = [{name for image in node["status"].get("images", []) for name in image.get("names") or []} for node in nodes]
    lines = []
    for image in sorted(image for image in used if image.startswith(LOCAL)):
        without = sum(1 for names in lists if image not in names and len(names) < LISTED_IMAGES)
        if nodes and without == len(nodes):
            lines.append(
                ("problem", f"no node has the image {image}, and no registry serves it", "make images LOAD=kind (or minikube, containerd)")
            )
        elif without:
            lines.append(("note", f"{without} of {len(nodes)} nodes do not have the image {image}", "load it into every node"))
    remote = sorted({image for image in used if not image.startswith(LOCAL)} - set[str]().union(*lists))
    if remote:
        text = f"not on any node yet, so whether the nodes can pull them was not checked: {', '.join(remote)}"
        lines.append(("note", text, "a private registry needs components/image-pull-secret"))
    return lines


def main() -> int:
    """Print the problems and notes; returns the exit code."""
    try:
        lines = check(kubectl.parse_rendered(sys.stdin.read()), kubectl.get("nodes"))
    except KubectlError as error:
        lines = [("note", f"images were not checked: {error}", "use an account that may list nodes")]
    for line in lines:
        print("\t".join(line))
    return 0


if __name__ == "__main__":
    sys.exit(main())

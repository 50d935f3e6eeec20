"""Fixture of a real API server: TEST_KUBECONFIG, or TEST_CONTROL_PLANE (a program that starts a throw-away one).

The program is called with `up` and prints, as its last line, the file of a kubeconfig; at the end it is called with `down`.
KUBECONFIG itself is left alone: it may lead to a cluster that somebody needs.
"""

import os
import subprocess
from collections.abc import Iterator

import pytest

from tests.manifests.server import Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """An API server with the CRDs of the operators, and with our namespaces and service accounts; the rest is a dry run."""
    kubeconfig, program = os.environ.get("TEST_KUBECONFIG"), os.environ.get("TEST_CONTROL_PLANE")
    if not (kubeconfig or program):
        pytest.skip("no API server: set TEST_KUBECONFIG (a throw-away cluster) or TEST_CONTROL_PLANE (a program that starts one)")
    if not kubeconfig:
        done = subprocess.run([str(program), "up"], stdout=subprocess.PIPE, text=True, check=True)
        kubeconfig = done.stdout.splitlines()[-1]
    try:
        api_server = Server(kubeconfig)
        api_server.prepare()
        yield api_server
    finally:
        if program and not os.environ.get("TEST_KUBECONFIG"):
            subprocess.run([program, "down"], check=True, stdout=subprocess.DEVNULL)

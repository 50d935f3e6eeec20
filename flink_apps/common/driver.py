"""The JobManager's PythonDriver, which runs an app: the response of the REST API holds only what the driver was given."""

import os

GATEWAY_PORT = "PYFLINK_GATEWAY_PORT"


def report(error: Exception) -> None:
    """Make an error the reason of a failed submission; without it the reason is the exit code. Nothing happens outside of the driver."""
    if GATEWAY_PORT not in os.environ:
        return
    from pyflink.java_gateway import get_gateway

    jvm = get_gateway().jvm
    reason = jvm.java.lang.IllegalStateException(f"{type(error).__name__}: {error}")
    jvm.org.apache.flink.client.python.PythonEnvUtils.setPythonException(reason)

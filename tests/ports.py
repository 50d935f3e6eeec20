"""Free ports for a second stack beside a running one."""

from tools.localstack.ports import GRPC_OFFSET, is_in_use

# Offset of each setting's port inside a block. SeaweedFS also uses the ports 10000 above its own, which must stay below the
# ephemeral ports of Linux (32768 and up).
BLOCK = 40
FIRST, LAST = 20_000, 22_600
OFFSETS = {
    "airflow_port": 0,
    "flink_port": 1,
    "flink_rpc_port": 2,
    "spark_port": 7,
    "spark_page_port": 8,
    "spark_connect_port": 11,
    "kafka_port": 12,
    "nessie_port": 15,
    "s3_port": 18,
    "ray_port": 22,
    "ray_dashboard_port": 23,
    "serve_port": 24,
}


def free_ports() -> dict[str, int]:
    """Returns a value for each *_port setting, from the first block whose ports are all free."""
    for base in range(FIRST, LAST, BLOCK):
        if not any(is_in_use(base + i) or is_in_use(base + i + GRPC_OFFSET) for i in range(BLOCK)):
            return {name: base + offset for name, offset in OFFSETS.items()}
    raise RuntimeError(f"no {BLOCK} free ports in a row between {FIRST} and {LAST}: stop other servers")

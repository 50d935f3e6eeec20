"""What the lake holds at given commits: the rows of each table, the files that its tables name, and Kafka's end offsets."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from clickstream_contracts import names, schema
from clickstream_contracts.settings import Settings
from tools.lake import catalog, nessie
from tools.lake.table_files import THREADS, TableReader, object_key

# Hash by full name, refs/heads/... or refs/tags/..., as Nessie's version store names them.
Refs = dict[str, str]
# Rows by table, by full name of the ref.
Rows = dict[str, dict[str, int]]
KINDS = {"BRANCH": "refs/heads/", "TAG": "refs/tags/"}


def current_refs(settings: Settings) -> Refs:
    """Returns all branches and tags as they are now."""
    return {prefix + ref["name"]: ref["hash"] for kind, prefix in KINDS.items() for ref in nessie.references(settings, kind)}


@dataclass(frozen=True)
class LakeState:
    """The rows of each table at each ref, and the keys in the bucket of every file that one of these tables needs."""

    rows: Rows
    files: frozenset[str]


def read(settings: Settings, refs: Refs) -> LakeState:
    """Read the state of the lake at the commits of `refs`. Reads metadata and manifests, no data file."""
    locations = {ref: nessie.metadata_locations(settings, commit) for ref, commit in refs.items()}
    reader = TableReader(settings)
    distinct = sorted({location for tables in locations.values() for location in tables.values()})
    with ThreadPoolExecutor(THREADS) as pool:
        tables = dict(zip(distinct, pool.map(reader.table, distinct), strict=True))
        manifests = {manifest.manifest_path: manifest for table in tables.values() for manifest in table.manifests}
        data_files = [path for paths in pool.map(reader.data_files, manifests.values()) for path in paths]
    rows = {ref: {name: tables[location].rows for name, location in by_table.items()} for ref, by_table in locations.items()}
    metadata_files = (path for table in tables.values() for path in table.files)
    return LakeState(rows, frozenset(object_key(settings, path) for path in (*metadata_files, *data_files)))


def short_name(ref: str) -> str:
    """Returns the name of a ref without refs/heads/ or refs/tags/."""
    return ref.split("/", 2)[2]


def end_offsets(settings: Settings, ref: str = names.MAIN) -> dict[str, dict[int, int]]:
    """Returns for each topic that Flink writes to the lake the end offset of each partition, where the streams start again."""
    lake = catalog.open_catalog(settings, ref)
    ends: dict[str, dict[int, int]] = {}
    for contract in schema.tables().values():
        if contract.topic and lake.table_exists(contract.id):
            for batch in lake.load_table(contract.id).scan(selected_fields=("kafka_partition", "kafka_offset")).to_arrow_batch_reader():
                _add_ends(ends.setdefault(contract.topic, {}), batch)
    return ends


def _add_ends(ends: dict[int, int], batch: Any) -> None:
    newest = pa.table(batch).group_by("kafka_partition").aggregate([("kafka_offset", "max")])
    for row in newest.to_pylist():
        ends[row["kafka_partition"]] = max(ends.get(row["kafka_partition"], 0), row["kafka_offset_max"] + 1)

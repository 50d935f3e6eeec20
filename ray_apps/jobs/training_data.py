"""The training sessions of the lake at a ref, as arrays."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clickstream_contracts.settings import Settings
from ray_apps.common import model_registry
from ray_apps.recommender.sessions import Sessions

TABLE = "features.training_sessions"


def read(settings: Settings, ref: str) -> tuple[pa.Table, str]:
    """The table at a branch, a tag or `branch@hash`, and the metadata file that says which state it was."""
    table = model_registry.catalog(settings, ref).load_table(TABLE)
    return table.scan(selected_fields=("session_id", "started_at", "items")).to_arrow(), table.metadata_location


def sessions(table: pa.Table) -> tuple[Sessions, NDArray[Any]]:
    """The sessions, oldest first, and the ids of their items: number i is the i-th id. The order of the rows does not matter."""
    table = table.filter(pc.greater(pc.list_value_length(table["items"]), 0))
    table = table.sort_by([("started_at", "ascending"), ("session_id", "ascending")]).combine_chunks()
    items = table["items"].combine_chunks()
    coded = items.flatten().dictionary_encode()
    order = pc.array_sort_indices(coded.dictionary).to_numpy()
    numbers = np.argsort(order)[coded.indices.to_numpy()].astype(np.int32)
    lengths = pc.list_value_length(items).to_numpy()
    times = pc.cast(table["started_at"], pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy() / 1e6
    return Sessions(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), numbers, times), coded.dictionary.to_numpy(False)[order]

"""Reads the training sessions of `features.training_sessions` into arrays."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clickstream_contracts.settings import Settings
from ray_apps.common import model_registry
from ray_apps.recommender.sessions import Sessions, offsets_of

TABLE = "features.training_sessions"


def read(settings: Settings, ref: str) -> tuple[pa.Table, str]:
    """The table at a branch, a tag or `branch@hash`, and the location of its metadata file, which names this state."""
    table = model_registry.open_catalog(settings, ref).load_table(TABLE)
    return table.scan(selected_fields=("session_id", "started_at", "items")).to_arrow(), table.metadata_location


def to_sessions(table: pa.Table) -> tuple[Sessions, NDArray[Any]]:
    """The sessions, oldest first, and the sorted item ids: item number i has the i-th id.

    Sessions without items are left out. The order of the table's rows does not matter.
    """
    table = table.filter(pc.greater(pc.list_value_length(table["items"]), 0))
    table = table.sort_by([("started_at", "ascending"), ("session_id", "ascending")]).combine_chunks()
    items = table["items"].combine_chunks()
    encoded = items.flatten().dictionary_encode()
    order = pc.array_sort_indices(encoded.dictionary).to_numpy()
    numbers = np.argsort(order)[encoded.indices.to_numpy()].astype(np.int32)
    times = pc.cast(table["started_at"], pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy() / 1e6
    sessions = Sessions(offsets_of(pc.list_value_length(items).to_numpy()), numbers, times)
    return sessions, encoded.dictionary.to_numpy(False)[order]

"""The table in ``layer.features``, beside the columns that the user made there."""

from typing import Any

import numpy as np

from napari_unet_studio.core.measure_columns import is_measured
from napari_unet_studio.tasks.measure import ObjectTable


def with_features(layer: Any, table: ObjectTable) -> Any:
    """Return the features of a labels layer with a table in it, as a data frame.

    Notes
    -----
    napari finds the row of a label in the column "index"; where there is none, the
    number of a row is its label. Columns that are no measures stay, and so do rows of
    labels that the table does not know. Of an id with rows at several time points,
    napari's status bar shows the last one: see `with_time_last`.
    """
    before = layer.features
    frame = type(before)  # of pandas, which comes with napari
    measured = {name: column for name, column in table.items() if name != "label"}
    made = frame({"index": table["label"], **measured})
    ids = before.get("index", before.index)
    kept = [
        name
        for name in before.columns
        if name not in made.columns and not is_measured(str(name))
    ]
    if not kept:
        return made
    rest = before[kept].assign(index=ids.to_numpy()).drop_duplicates("index")
    rest = rest[rest[kept].notna().any(axis=1)]
    return made.merge(rest, on="index", how="outer", sort=False)


def with_time_last(features: Any, now: int) -> Any:
    """Return features whose rows of one time point come last, the others in time.

    Parameters
    ----------
    features
        A data frame with the columns "index" and "t".
    now
        The time point.
    """
    times = features["t"].to_numpy()
    order = np.lexsort((features["index"].to_numpy(), times, times == now))
    return features.iloc[order].reset_index(drop=True)

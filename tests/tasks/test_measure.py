"""Labels of any kind and size become one table, which a CSV file holds as it is."""

import csv

import dask.array as da
import numpy as np
import pytest
import zarr

import napari_unet_studio as us
from napari_unet_studio.core.errors import InputError, StorageError, StudioError
from napari_unet_studio.core.measure import MeasureConfig, measure_objects
from napari_unet_studio.io.tables import write_csv
from napari_unet_studio.sample_data import SAMPLES
from napari_unet_studio.tasks.measure import measure
from napari_unet_studio.tasks.progress import run


@pytest.fixture(scope="module")
def cells():
    return SAMPLES["nuclei_2d"]().labels[150:300, 130:300]


@pytest.fixture(scope="module")
def series(cells):
    return np.stack((cells, np.roll(cells, 9, 1), cells * (cells > 5)))


def assert_same(one, other):
    assert list(one) == list(other)
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("kind", ["dask", "zarr", "uneven"])
def test_lazy_labels_give_the_table_of_those_in_memory(cells, kind):
    image = cells.astype(np.float32) ** 2
    lazy = {
        "dask": lambda a: da.from_array(a, chunks=(40, 64)),
        "uneven": lambda a: da.from_array(a, chunks=((7, 143), (169, 1))),
        "zarr": lambda a: zarr.array(a, chunks=(32, 50)),
    }[kind]
    whole = us.measure(cells, image, spacing=(0.5, 0.4), classes=cells % 3)
    parts = us.measure(
        lazy(cells), lazy(image), spacing=(0.5, 0.4), classes=lazy(cells % 3)
    )
    assert_same(whole, parts)


def test_small_blocks_join_to_the_same_table(cells, monkeypatch):
    whole = us.measure(cells, config={"solidity": True})
    monkeypatch.setattr("napari_unet_studio.tasks.measure._PIXELS", 1000)
    records = []
    lazy = da.from_array(cells, chunks=(16, 16))
    parts = us.measure(lazy, config={"solidity": True}, callback=records.append)
    assert_same(whole, parts)
    assert sum(record.message == "Measuring" for record in records) > 20


def test_each_time_point_has_rows_of_its_own(series):
    table = us.measure(series, axes="TYX", spacing=(0.5, 0.5))
    assert list(table)[:2] == ["label", "t"]
    for t, frame in enumerate(series):
        rows = table["t"] == t
        alone = measure_objects(frame, (0.5, 0.5))
        for name, column in alone.items():
            np.testing.assert_array_equal(table[name][rows], column)
    stack = us.measure(series, axes="ZYX")
    assert "volume" in stack
    assert "t" not in stack


def test_channels_get_columns_of_their_names(cells):
    colours = np.stack((cells, 2 * cells, 3 * cells), axis=-1)
    table = us.measure(cells, colours, channel_axis=-1)
    assert (table["mean channel 2"] == 3 * table["label"]).all()
    table = us.measure(cells, {"a": cells, "b": -cells})
    assert (table["min b"] == -table["label"]).all()
    table = us.measure(cells, {"rgb": colours}, channel_axis=2)
    assert (table["max rgb 1"] == 2 * table["label"]).all()


def test_table_knows_units_length_and_summary(cells):
    table = us.measure(cells, spacing=(0.5, 0.5))
    assert len(table) == len(np.unique(cells)) - 1
    assert table.units["area"] == "um^2"
    assert table.units["y"] == "um"
    assert table.units["y start"] == "px"
    found = table.summary()
    assert found["objects"] == len(table)
    assert found["mean area"] == pytest.approx(table["area"].mean())
    assert found["std area"] == pytest.approx(table["area"].std(ddof=1))
    assert us.measure(cells).units["area"] == "px^2"
    assert us.measure(np.zeros((3, 3), int)).summary() == {
        "objects": 0,
        "unit": "px^2",
    }


def test_file_holds_all_digits_and_the_units(cells, tmp_path):
    table = us.measure(cells, cells / 3, spacing=(0.3, 0.7))
    path = table.to_csv(tmp_path / "new" / "cells.csv")
    rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    assert rows[0][:3] == ["label", "area (um^2)", "y (um)"]
    assert len(rows) == len(table) + 1
    for place, name in enumerate(table):
        back = [float(row[place]) for row in rows[1:]]
        np.testing.assert_array_equal(back, table[name])


def test_file_that_cannot_be_written_stays_as_it_was(tmp_path):
    path = tmp_path / "cells.csv"
    path.write_text("old")
    with pytest.raises(ValueError, match="zip"):
        write_csv(path, {"a": np.arange(3), "b": np.arange(2)})
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["cells.csv"]
    with pytest.raises(InputError, match=r"ends in \.csv"):
        write_csv(tmp_path / "cells.txt", {"a": np.arange(3)})
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        write_csv(tmp_path / "file" / "cells.csv", {"a": np.arange(3)})


def test_stopped_measurement_returns_nothing(cells):
    calls = iter([False, True])
    lazy = da.from_array(np.tile(cells, (20, 20)), chunks=(500, 500))
    assert run(measure(lazy, should_stop=lambda: next(calls))) is None
    calls = iter([False, True])
    config = MeasureConfig(solidity=True)
    assert run(measure(cells, None, config, should_stop=lambda: next(calls))) is None


def test_what_cannot_be_measured_is_said(cells):
    for labels, options, text in (
        (cells.astype(float), {}, "integer instance ids"),
        (cells, {"axes": "ZYX"}, "cannot have the axes"),
        (cells, {"axes": "XY"}, "cannot have the axes"),
        (cells[0], {}, "cannot have the axes"),
        (cells[:0], {}, "hold no pixels"),
        (cells, {"image": cells[1:]}, "the labels have"),
        (cells, {"spacing": (1, 2, 3)}, "spacing"),
        (cells, {"config": {"colour": 1}}, "no setting"),
    ):
        with pytest.raises(StudioError, match=text):
            us.measure(labels, **options)

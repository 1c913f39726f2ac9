"""Parts, levels, channels and axes of layers: the same pixels, in their exact place."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.components import ViewerModel
from napari.layers import Image, Labels, Shapes

from napari_unet_studio.core.errors import InputError, StudioError
from napari_unet_studio.layers import (
    channels_of,
    combined_source,
    full_axes_of,
    read_axes,
    shapes_region,
    source_of,
    unnamed_channels,
    visible_region,
)
from napari_unet_studio.layers.reader import get_reader, read_layers

TURNED: dict[str, Any] = {
    "scale": (0.5, 0.25),
    "translate": (10.0, -3.0),
    "rotate": 30,
    "shear": (0.2,),
    "affine": np.array([[1.5, 0.3, 4.0], [-0.2, 0.8, 1.0], [0, 0, 1.0]]),
}
placed = st.fixed_dictionaries(
    {
        "scale": st.tuples(*[st.floats(0.1, 5)] * 2),
        "translate": st.tuples(*[st.floats(-50, 50)] * 2),
        "rotate": st.floats(-180, 180),
        "shear": st.tuples(st.floats(-1, 1)),
    }
)


def box(region: Any) -> list[tuple[int, int]]:
    return [(part.start, part.stop) for part in region]


# -- place ----------------------------------------------------------------------------


@given(placed, st.tuples(st.integers(0, 9), st.integers(0, 9)))
@settings(deadline=None, max_examples=40)
def test_part_lies_where_it_was_cut_out(place: dict[str, Any], start: Any) -> None:
    image = Image(np.zeros((20, 20)), **place)
    part = Image(
        np.zeros((5, 5)),
        **source_of(image).of(tuple(slice(n, n + 5) for n in start)),
    )
    for corner in [(0, 0), (4, 0), (2.5, 4)]:
        there = image.data_to_world(np.add(corner, start))
        assert np.allclose(part.data_to_world(corner), there)


@pytest.mark.parametrize("shape", [(64, 40), (101, 57), (33, 90)])
def test_level_covers_the_same_area_as_the_image(shape: tuple[int, int]) -> None:
    levels = [np.zeros(shape), np.zeros([n // 2 for n in shape])]
    layer = Image(levels, multiscale=True, **TURNED)
    coarse = source_of(layer, level=1)
    made = Image(np.zeros(coarse.shape), **coarse.spatial)
    edges = [np.full(2, -0.5), np.subtract(shape, 0.5)]
    ends = [np.full(2, -0.5), np.subtract(coarse.shape, 0.5)]
    for there, here in zip(edges, ends, strict=True):
        assert np.allclose(made.data_to_world(here), layer.data_to_world(there))
    assert np.allclose(
        coarse.spacing,
        [0.5 * shape[0] / (shape[0] // 2), 0.25 * shape[1] / (shape[1] // 2)],
    )
    with pytest.raises(InputError, match="no level 2; choose one from 0 to 1"):
        source_of(layer, level=2)


def test_pixel_size_is_in_micrometres_where_the_layer_knows_lengths() -> None:
    nano = source_of(Image(np.zeros((5, 5)), scale=(500, 250), units=("nm", "nm")))
    assert (nano.spacing, nano.unit) == ((0.5, 0.25), "um")
    plain = source_of(Image(np.zeros((5, 5)), scale=(2, 2)))
    assert (plain.spacing, plain.unit) == ((2, 2), "pixel")


# -- axes -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "options", "axes"),
    [
        ((9, 9), {}, "YX"),
        ((5, 9, 9), {}, "ZYX"),
        ((5, 9, 9), {"units": ("second", "um", "um")}, "TYX"),
        ((2, 5, 9, 9), {"axis_labels": ("c", "z", "y", "x")}, "CZYX"),
        ((9, 9, 2), {"axis_labels": ("y", "x", "channel")}, "YXC"),
        ((3, 2, 5, 9, 9), {}, "TCZYX"),
        ((40, 50, 3), {"rgb": True}, "YX"),
    ],
)
def test_axes_are_told_by_labels_units_or_number(
    shape: tuple[int, ...], options: dict[str, Any], axes: str
) -> None:
    layer = Image(np.zeros(shape, np.uint8), **options)
    assert full_axes_of(layer) == axes
    read_axes(layer, axes)


@pytest.mark.parametrize(
    ("text", "axes", "channel"),
    [
        ("czyx", "ZYX", 0),
        ("T C Y X", "TYX", 1),
        ("zyxc", "ZYX", 3),
        ("TZYX", "TZYX", None),
    ],
)
def test_axes_can_be_typed(text: str, axes: str, channel: int | None) -> None:
    assert read_axes(Image(np.zeros((2, 3, 9, 9))), text) == (axes, channel)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("YX", "has 3 axes, which cannot be named 'YX'"),
        ("QYX", "have the letter 'Q'"),
        ("YYX", "name Y twice"),
        ("YTX", "are not in order"),
        ("TZC", "are not in order"),
        ("", "cannot be named ''"),
    ],
)
def test_axes_that_do_not_fit_are_explained(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_axes(Image(np.zeros((5, 9, 9)), name="a"), text)


def test_six_axes_are_refused_in_one_sentence() -> None:
    with pytest.raises(InputError, match="has 6 axes, at most time, channels, z, y"):
        read_axes(Image(np.zeros((1, 1, 1, 1, 9, 9))), "TCZYX")


# -- channels -------------------------------------------------------------------------


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_grey_is_the_luminance_in_the_same_range(dtype: str, lazy: bool) -> None:
    weights = (0.299, 0.587, 0.114)  # Recommendation ITU-R BT.601

    colours = np.random.default_rng(0).uniform(0, 1, (2, 33, 40, 4)).astype("float32")
    scale = 1 if dtype.startswith("float") else np.iinfo(dtype).max
    data = (colours * scale).astype(dtype)
    layer = Image(da.from_array(data, chunks=16) if lazy else data, rgb=True)
    source = source_of(layer, channel="grey")
    assert source.channel_axis is None
    assert source.shape == (2, 33, 40)
    expected = data[..., :3].astype(float) @ weights
    assert np.allclose(np.asarray(source.data), expected, rtol=1e-4)
    assert [name for name, _ in channels_of(layer)] == [
        "grey (luminance)",
        "red",
        "green",
        "blue",
    ]
    assert np.array_equal(np.asarray(source_of(layer, channel=1).data), data[..., 1])


def test_grey_of_a_large_image_is_made_when_it_is_read() -> None:
    data = np.zeros((1500, 1400, 3), np.uint8)
    data[700, 900] = (100, 200, 50)
    source = source_of(Image(data, rgb=True), channel="grey")
    assert isinstance(source.data, da.Array)
    assert source.data.dtype == np.float32
    part = np.asarray(source.data[699:702, 899:902])
    assert part[1, 1] == pytest.approx(0.299 * 100 + 0.587 * 200 + 0.114 * 50)
    assert part.sum() == part[1, 1]


def test_arrays_in_files_are_not_read_to_know_them() -> None:
    class InFile:
        """Like the data sets of HDF5 in one piece."""

        shape, ndim, size, chunks = (2, 40, 50), 3, 4000, None
        dtype = np.dtype("uint8")

        def __init__(self) -> None:
            self.read = False

        def __getitem__(self, key: Any) -> np.ndarray:
            found = np.ones(self.shape, self.dtype)[key]
            self.read = self.read or found.size > 0  # dask looks at none to know them
            return found

    data = InFile()
    layer = Image(data, axis_labels=("c", "y", "x"), contrast_limits=(0, 1))
    data.read = False
    source = source_of(layer, channel=1)
    assert [name for name, _ in channels_of(layer)] == ["0", "1"]
    assert not data.read
    assert np.array_equal(np.asarray(source.data), np.ones((40, 50)))


def test_one_of_several_channels_is_taken_by_number() -> None:
    data = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    layer = Image(data, name="two", metadata={"channel_names": ["DAPI", "GFP"]})
    source = source_of(layer, "CZYX", channel=1)
    assert np.array_equal(source.data, data[1])
    assert (source.axes, source.title) == ("ZYX", "two channel 1")
    assert [name for name, _ in channels_of(layer, "CZYX")] == ["0 – DAPI", "1 – GFP"]
    with pytest.raises(InputError, match="no channel 2; choose a number from 0 to 1"):
        source_of(layer, "CZYX", channel=2)
    with pytest.raises(InputError, match="no colours to turn to grey"):
        source_of(layer, "CZYX", channel="grey")
    with pytest.raises(InputError, match="has one channel, so none can be chosen"):
        source_of(layer, "TZYX", channel=0)


def test_layers_become_the_channels_of_one_image() -> None:
    a = Image(np.zeros((5, 6), np.uint8), name="a", **TURNED)
    b = Image(da.ones((5, 6), dtype="uint16"), name="b", **TURNED)
    source = combined_source([a, b, a])
    assert source.layers == ("a", "b", "a")
    assert (source.channel_axis, source.shape) == (0, (5, 6))
    assert np.asarray(source.data)[:, 0, 0].tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (Image(np.zeros((5, 7)), name="b"), r"shapes are \(5, 6\) and \(5, 7\)"),
        (Image(np.zeros((5, 6)), name="b", scale=(2, 2)), "lie in different places"),
        (Image(np.zeros((5, 6)), name="b", rotate=5), "lie in different places"),
        (Image(np.zeros((40, 50, 3)), rgb=True, name="b"), "has 3 channels"),
    ],
)
def test_layers_that_do_not_fit_are_explained(other: Image, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        combined_source([Image(np.zeros((5, 6)), name="a"), other])


# -- regions --------------------------------------------------------------------------


def test_shapes_give_the_box_around_them_through_both_transforms() -> None:
    image = Image(np.zeros((60, 80)), **TURNED)
    corners = [image.data_to_world(p) for p in [(9.5, 19.5), (9.5, 39.5), (29.5, 39.5)]]
    shapes = Shapes(scale=(2, 3), rotate=-10, translate=(4, 4))
    shapes.add_polygons(np.array([shapes.world_to_data(c) for c in corners]))
    source = source_of(image)
    assert box(shapes_region(source, shapes)) == [(10, 30), (20, 40)]
    away = shapes.world_to_data(image.data_to_world((50, 70)))
    shapes.add_lines(np.array([away, away + 0.01]))
    assert box(shapes_region(source, shapes)) == [(10, 51), (20, 71)]


def test_shapes_in_one_plane_stand_for_all_planes() -> None:
    image = Image(np.zeros((7, 30, 30)), scale=(3, 1, 1))
    source = source_of(image)
    square = np.array([[2.5, 2.5], [2.5, 9.5], [12.5, 9.5], [12.5, 2.5]])
    flat = Shapes([square])
    assert box(shapes_region(source, flat)) == [(0, 7), (3, 13), (3, 10)]
    at = [np.insert(square, 0, z, axis=1) for z in (6, 12)]
    assert box(shapes_region(source, Shapes(at[:1]))) == [(0, 7), (3, 13), (3, 10)]
    assert box(shapes_region(source, Shapes(at))) == [(2, 5), (3, 13), (3, 10)]


def test_shapes_beside_the_image_or_none_are_explained() -> None:
    source = source_of(Image(np.zeros((20, 20)), name="cells"))
    with pytest.raises(InputError, match="'roi' has no shapes; draw one around"):
        shapes_region(source, Shapes(name="roi", ndim=2))
    far = Shapes([np.array([[50, 50], [60, 70]])], shape_type="rectangle", name="roi")
    with pytest.raises(InputError, match="all outside the image 'cells'"):
        shapes_region(source, far)


def test_shapes_work_on_a_level_of_channels() -> None:
    levels = [np.zeros((2, 80, 80)), np.zeros((2, 40, 40))]
    image = Image(levels, multiscale=True, axis_labels=("c", "y", "x"))
    source = source_of(image, level=1, channel=0)
    square = np.array([[19.5, 39.5], [59.5, 79.5]])
    shapes = Shapes([square], shape_type="rectangle")
    assert box(shapes_region(source, shapes)) == [(10, 30), (20, 40)]


def test_view_is_the_part_on_the_canvas() -> None:
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((4, 6, 100, 100)), scale=(1, 2, 0.5, 0.5))
    viewer.canvas.size = (200, 400)
    viewer.scene.camera.zoom = 10  # 20 by 40 units are 40 by 80 pixels
    viewer.scene.camera.center = (0, 24.75, 24.75)
    viewer.dims.set_current_step((0, 1), (2, 3))
    source = source_of(image, "TZYX")
    region = visible_region(viewer, source, 2)
    assert box(region) == [(2, 3), (3, 4), (30, 70), (10, 90)]
    assert box(visible_region(viewer, source, 3))[:2] == [(2, 3), (0, 6)]
    viewer.scene.camera.center = (0, 500, 500)
    assert visible_region(viewer, source, 2) is None
    viewer.dims.ndisplay = 3
    with pytest.raises(InputError, match="shows the layers in 3D"):
        visible_region(viewer, source, 2)


# -- files ----------------------------------------------------------------------------


def ome_zarr(path: Path, axes: str, shape: tuple[int, ...]) -> np.ndarray:
    """Write an OME-Zarr 0.4 image of two levels, with labels "cells" inside."""
    import zarr

    data = np.arange(np.prod(shape)).reshape(shape).astype("uint16")
    names = [{"name": a, "type": "space", "unit": "micrometer"} for a in axes]
    for axis in names:
        if axis["name"] in "ct":
            axis.pop("unit")
            axis["type"] = {"c": "channel", "t": "time"}[axis["name"]]

    def write(group: Any, pixels: np.ndarray, names: list[Any]) -> None:
        datasets = []
        for level in (0, 1):
            half = pixels[(..., *[slice(None, None, 2**level)] * 2)]
            group.create_array(str(level), data=half)
            scale = [0.5 * 2**level if n["name"] in "yx" else 1.0 for n in names]
            datasets.append(
                {
                    "path": str(level),
                    "coordinateTransformations": [{"type": "scale", "scale": scale}],
                }
            )
        group.attrs["multiscales"] = [
            {"version": "0.4", "axes": names, "datasets": datasets}
        ]

    root = zarr.create_group(path, zarr_format=2)
    write(root, data, names)
    labels = root.create_group("labels")
    keep = [n for n in names if n["name"] != "c"]
    plane = data[0] if "c" in axes else data
    write(labels.create_group("cells"), (plane > 5).astype("int32"), keep)
    return data


@pytest.mark.parametrize(
    ("axes", "shape"), [("yx", (16, 20)), ("zyx", (3, 16, 20)), ("cyx", (2, 16, 20))]
)
def test_ome_zarr_opens_with_levels_place_and_labels(
    tmp_path: Path, axes: str, shape: tuple[int, ...]
) -> None:
    path = tmp_path / "cells.zarr"
    data = ome_zarr(path, axes, shape)
    read = get_reader(str(path))
    assert read is not None
    viewer = ViewerModel()
    for pixels, options, kind in read(str(path)):
        getattr(viewer, f"add_{kind}")(pixels, **options)
    images = [layer for layer in viewer.layers if isinstance(layer, Image)]
    labels = [layer for layer in viewer.layers if isinstance(layer, Labels)]
    assert len(images) == (2 if "c" in axes else 1)
    assert [layer.name for layer in labels] == ["cells cells"]
    for layer in (*images, *labels):
        assert layer.multiscale
        assert isinstance(layer.data[0], da.Array)
        assert layer.axis_labels == tuple(axes.replace("c", ""))
        assert tuple(layer.scale[-2:]) == (0.5, 0.5)
        assert str(layer.units[-1]) == "micrometer"
    first = data[0] if "c" in axes else data
    assert np.array_equal(np.asarray(images[0].data[0]), first)
    assert np.array_equal(np.asarray(labels[0].data[0]), first > 5)


def test_ome_zarr_opens_where_its_translation_says(tmp_path: Path) -> None:
    path = tmp_path / "cells.zarr"
    ome_zarr(path, "tzyx", (2, 3, 16, 20))
    import zarr

    group = zarr.open_group(path, mode="r+")
    multiscale: Any = dict(group.attrs)["multiscales"][0]
    shift = {"type": "translation", "translation": [0, 7, 20, 30]}
    multiscale["datasets"][0]["coordinateTransformations"].append(shift)
    # What holds for all levels comes after what holds for one.
    twice = [{"type": "scale", "scale": [1, 1, 2, 2]}]
    multiscale["coordinateTransformations"] = twice
    group.attrs["multiscales"] = [multiscale]
    image, labels = read_layers(path)
    assert image[1]["translate"] == (0, 7, 40, 60)
    assert tuple(image[1]["scale"][-2:]) == (1, 1)
    assert labels[1]["translate"] == (0, 0, 0, 0)


def test_labels_with_channels_open_as_a_layer_each(tmp_path: Path) -> None:
    path = tmp_path / "cells.zarr"
    data = ome_zarr(path, "cyx", (2, 16, 20))
    ome_zarr(path / "labels" / "both", "cyx", (2, 16, 20))
    viewer = ViewerModel()
    for pixels, options, kind in read_layers(path):
        getattr(viewer, f"add_{kind}")(pixels, **options)
    found = [viewer.layers[f"cells both {number}"] for number in range(2)]
    for layer, expected in zip(found, data, strict=True):
        assert np.array_equal(np.asarray(layer.data[0]), expected)


def test_reader_passes_on_what_it_cannot_open(tmp_path: Path) -> None:
    (tmp_path / "empty.zarr").mkdir()
    (tmp_path / "a.tif").write_bytes(b"")
    for path in ("empty.zarr", "a.tif", "nothing.zarr"):
        assert get_reader(str(tmp_path / path)) is None
    assert get_reader([]) is None
    assert get_reader("\0.zarr") is None


def test_reader_explains_a_broken_store(tmp_path: Path) -> None:
    path = tmp_path / "broken.zarr"
    path.mkdir()
    (path / "zarr.json").write_text("{")
    read = get_reader(str(path))
    assert read is not None
    with pytest.raises(StudioError, match="cannot be read"):
        read(str(path))


# -- axes from the file ---------------------------------------------------------------


@pytest.fixture(autouse=True)
def napari_reads(npe2pm: Any) -> Iterator[None]:
    """Have napari's own readers among the plugins."""
    with npe2pm.tmp_plugin(package="napari"):
        yield


def dropped(path: Path, **options: Any) -> Image:
    """Open a TIFF with napari's own reader, as when it is dropped onto a viewer."""
    shape = options.pop("shape")
    tifffile.imwrite(path, np.zeros(shape, options.pop("dtype", np.uint16)), **options)
    (layer,) = ViewerModel().open(str(path), plugin="napari")
    return layer


@pytest.mark.parametrize(
    ("name", "shape", "axes"),
    [
        ("a.tif", (2, 16, 16), "CYX"),
        ("a.ome.tif", (2, 16, 16), "CYX"),
        ("a.ome.tif", (2, 5, 16, 16), "CZYX"),
        ("a.tif", (5, 2, 16, 16), "ZCYX"),
        ("a.tif", (6, 16, 16), "TYX"),
        ("a.tif", (6, 16, 16), "ZYX"),
        ("a.tif", (16, 16), "YX"),
    ],
)
def test_dropped_tiff_has_the_axes_of_its_file(
    tmp_path: Path, name: str, shape: tuple[int, ...], axes: str
) -> None:
    ome = name == "a.ome.tif"
    layer = dropped(
        tmp_path / name, shape=shape, imagej=not ome, metadata={"axes": axes}
    )
    assert full_axes_of(layer) == axes
    source = source_of(layer)
    assert source.axes == axes.replace("C", "")
    assert source.channels == (2 if "C" in axes else 1)
    assert source.spatial["scale"][-1] == 1  # as napari has it
    layer.scale = (0.5,) * layer.ndim
    assert full_axes_of(layer) == axes


def test_dropped_tiff_that_states_no_axes_is_read_as_before(tmp_path: Path) -> None:
    assert full_axes_of(dropped(tmp_path / "a.tif", shape=(6, 16, 16))) == "ZYX"
    colours = {"shape": (40, 40, 3), "dtype": np.uint8, "photometric": "rgb"}
    layer = dropped(tmp_path / "b.tif", **colours)
    assert (full_axes_of(layer), source_of(layer).channels) == ("YX", 3)


def test_names_of_a_layer_go_before_those_of_its_file(tmp_path: Path) -> None:
    options = {"shape": (2, 16, 16), "imagej": True, "metadata": {"axes": "CYX"}}
    layer = dropped(tmp_path / "a.tif", **options)
    layer.axis_labels = ("t", "y", "x")
    assert full_axes_of(layer) == "TYX"


def test_other_pixels_than_those_of_the_file_have_no_axes_of_it(tmp_path: Path) -> None:
    options = {"shape": (2, 16, 16), "imagej": True, "metadata": {"axes": "CYX"}}
    layer = dropped(tmp_path / "a.tif", **options)
    assert full_axes_of(layer) == "CYX"
    layer.data = np.zeros((2, 8, 8))
    assert full_axes_of(layer) == "ZYX"


def test_file_that_is_gone_leaves_axes_unnamed(tmp_path: Path) -> None:
    options = {"shape": (2, 16, 16), "imagej": True, "metadata": {"axes": "CYX"}}
    layer = dropped(tmp_path / "a.tif", **options)
    (tmp_path / "a.tif").unlink()
    assert full_axes_of(layer) == "ZYX"


def test_labels_that_a_file_calls_channels_are_a_stack(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.ones((2, 16, 16), np.uint16), imagej=True)
    viewer = ViewerModel()
    (layer,) = viewer.open(
        str(tmp_path / "a.tif"), plugin="napari", layer_type="labels"
    )
    assert full_axes_of(layer) == "ZYX"


def test_result_has_the_axes_that_its_model_was_given() -> None:
    made = {"napari_unet_studio": {"source": "film", "axes": "TYX"}}
    assert source_of(Labels(np.ones((3, 8, 8), int), metadata=made)).axes == "TYX"


def test_planes_of_a_file_are_channels_of_labels_that_lack_them(tmp_path: Path) -> None:
    options = {"imagej": True, "metadata": {"axes": "ZYX"}}
    layer = dropped(tmp_path / "a.tif", shape=(2, 16, 16), **options)
    assert unnamed_channels(layer, Labels(np.ones((16, 16), int))) == "CYX"

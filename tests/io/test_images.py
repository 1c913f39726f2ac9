import json
import pickle
import struct
import warnings
import zlib

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from napari_unet_studio.core.errors import InputError, StorageError, StudioError
from napari_unet_studio.io import images, tiff
from napari_unet_studio.io.image_file import described
from napari_unet_studio.io.images import (
    SUFFIXES,
    image_levels,
    read_image,
    read_label_array,
    read_labels,
    reading,
    write_json,
    write_tiff,
)
from napari_unet_studio.io.lazy import grouped
from napari_unet_studio.io.stated_axes import stated_axes


def textured(*shape, dtype="uint16"):
    values = np.random.default_rng(0).integers(0, 250, shape)
    return (values > 125) if dtype == "bool" else values.astype(dtype)


def check(found, array, axes, channel_axis=None, spacing=None):
    np.testing.assert_array_equal(np.asarray(found.array), array)
    assert found.array.dtype == array.dtype
    assert found.axes == axes
    assert found.channel_axis == channel_axis
    if spacing is None:
        assert (found.spacing, found.unit) == (None, "pixel")
    else:
        assert found.spacing == pytest.approx(spacing)
        assert found.unit == "um"


# --- TIFF


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((20, 30), "YX"),
        ((5, 20, 30), "ZYX"),
        ((2, 5, 20, 30), "TZYX"),
        # Stacks of 3 or 4 planes, which tifffile takes for samples of colour.
        ((3, 20, 30), "ZYX"),
        ((4, 20, 30), "ZYX"),
        ((2, 3, 20, 30), "TZYX"),
    ],
)
def test_a_plain_tiff_is_a_plane_a_stack_or_stacks_over_time(tmp_path, shape, axes):
    array = textured(*shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of guessing colour
        tifffile.imwrite(tmp_path / "a.tif", array)
    check(read_image(tmp_path / "a.tif"), array, axes)


@pytest.mark.parametrize("samples", [3, 4])
def test_colours_of_a_tiff_are_channels_at_the_end(tmp_path, samples):
    array = textured(20, 30, samples, dtype="uint8")
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb")
    check(read_image(tmp_path / "a.tif"), array, "YX", 2)
    stack = textured(5, 20, 30, samples, dtype="uint8")
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="rgb")
    check(read_image(tmp_path / "a.tif"), stack, "ZYX", 3)


@pytest.mark.parametrize(
    "dtype",
    ["bool", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"],
)
@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "zstd", "packbits"])
def test_a_tiff_of_any_type_and_compression_is_read(tmp_path, dtype, compression):
    array = textured(20, 30, dtype=dtype)
    compression = compression if dtype != "bool" else None
    tifffile.imwrite(tmp_path / "a.tiff", array, compression=compression)
    check(read_image(tmp_path / "a.tiff"), array, "YX")


def test_tiles_and_pyramids_are_read_at_full_resolution(tmp_path):
    array = textured(128, 160)
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as tiff:
        options = {"tile": (32, 32), "compression": "zlib", "photometric": "minisblack"}
        tiff.write(array, subifds=1, metadata={"axes": "YX"}, **options)
        tiff.write(array[::2, ::2], subfiletype=1, **options)
    check(read_image(tmp_path / "a.ome.tif"), array, "YX")


@pytest.mark.parametrize(
    ("shape", "axes", "named", "channel_axis"),
    [
        ((20, 30), "YX", "YX", None),
        ((5, 20, 30), "ZYX", "ZYX", None),
        ((5, 20, 30), "TYX", "TYX", None),
        ((2, 20, 30), "CYX", "YX", 0),
        ((5, 2, 20, 30), "ZCYX", "ZYX", 1),
        ((3, 5, 2, 20, 30), "TZCYX", "TZYX", 2),
        ((20, 30, 3), "YXS", "YX", 2),
    ],
)
def test_imagej_axes_are_kept(tmp_path, shape, axes, named, channel_axis):
    array = textured(*shape, dtype="uint8")
    tifffile.imwrite(tmp_path / "a.tif", array, imagej=True, metadata={"axes": axes})
    check(read_image(tmp_path / "a.tif"), array, named, channel_axis)


@pytest.mark.parametrize(
    ("shape", "axes", "named", "channel_axis"),
    [
        ((20, 30), "YX", "YX", None),
        ((5, 20, 30), "TYX", "TYX", None),
        ((3, 20, 30), "ZYX", "ZYX", None),
        ((3, 20, 30), "CYX", "YX", 0),
        ((2, 5, 20, 30), "CZYX", "ZYX", 0),
        ((3, 2, 5, 20, 30), "TCZYX", "TZYX", 1),
        ((20, 30, 3), "YXS", "YX", 2),
    ],
)
def test_ome_axes_are_kept(tmp_path, shape, axes, named, channel_axis):
    array = textured(*shape, dtype="uint8")
    options = {"photometric": "rgb" if axes.endswith("S") else "minisblack"}
    tifffile.imwrite(
        tmp_path / "a.tif", array, ome=True, metadata={"axes": axes}, **options
    )
    check(read_image(tmp_path / "a.tif"), array, named, channel_axis)


# --- large files


def pyramid(path, array):
    with tifffile.TiffWriter(path) as file:
        options = {"tile": (32, 32), "compression": "zlib", "photometric": "minisblack"}
        file.write(
            array, subifds=1, resolution=(4, 4), metadata={"axes": "YX"}, **options
        )
        file.write(array[::2, ::2], subfiletype=1, **options)


def tiff_of(**options):
    return lambda path, array: tifffile.imwrite(
        path, array, **{"photometric": "minisblack", **options}
    )


def pages(**options):
    def write(path, array):
        for page in array:
            tifffile.imwrite(path, page, append=True, metadata=None, **options)

    return write


STACK, COLOUR = (5, 90, 70), (5, 90, 70, 3)
LARGE = {
    "plain": (STACK, tiff_of()),
    "big endian": (STACK, tiff_of(byteorder=">")),
    "BigTIFF": (STACK, tiff_of(bigtiff=True)),
    "strips": (STACK, tiff_of(rowsperstrip=7)),
    "zlib": (STACK, tiff_of(compression="zlib", rowsperstrip=7)),
    "zlib, big endian": (STACK, tiff_of(compression="zlib", byteorder=">")),
    "lzw and predictor": (STACK, tiff_of(compression="lzw", predictor=True)),
    "tiles": (STACK, tiff_of(tile=(32, 48))),
    "zstd tiles, BigTIFF": (
        STACK,
        tiff_of(tile=(32, 48), compression="zstd", bigtiff=True),
    ),
    "pages": (STACK, pages()),
    "zlib pages": (STACK, pages(compression="zlib")),
    "ImageJ": (STACK, tiff_of(imagej=True, metadata={"axes": "ZYX"})),
    "OME": (STACK, tiff_of(ome=True, metadata={"axes": "ZYX"})),
    "OME, zlib, channels": (
        (2, 3, 90, 70),
        tiff_of(ome=True, metadata={"axes": "ZCYX"}, compression="zlib"),
    ),
    "written here": (STACK, lambda p, a: write_tiff(p, a, "TYX", (0.5, 0.25))),
    "colour": (COLOUR, tiff_of(photometric="rgb")),
    "coloured tiles": (
        COLOUR,
        tiff_of(photometric="rgb", tile=(32, 48), compression="zlib"),
    ),
    "planes of colour": (
        (3, 90, 70),
        tiff_of(photometric="rgb", planarconfig="separate", compression="zlib"),
    ),
    "one plane": ((90, 70), tiff_of(compression="zlib")),
    "pyramid": ((90, 70), pyramid),
}


@pytest.fixture
def large(monkeypatch):
    """Files of any length count as large."""
    whole = tiff.read_tiff
    monkeypatch.setattr(images, "LAZY_FROM", -1)
    monkeypatch.setattr(images, "read_tiff", lambda p, n=0: whole(p, n, lazy_from=-1))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("name", LARGE)
def test_a_large_tiff_is_read_in_parts_as_it_is_read_whole(
    tmp_path, name, dtype, large
):
    shape, writer = LARGE[name]
    path = tmp_path / "a.tif"
    writer(path, textured(*shape, dtype=dtype))
    whole = tiff.read_tiff(path)
    found = read_image(path)
    assert isinstance(whole.array, np.ndarray)
    assert isinstance(found.array, da.Array)
    assert found.array.shape == shape
    check(found, whole.array, whole.axes, whole.channel_axis, whole.spacing)
    assert found.levels == whole.levels
    key = (..., slice(3, 21), slice(5, 40), slice(None))[: 3 + ("colour" in name)]
    np.testing.assert_array_equal(found.array[key].compute(), whole.array[key])
    again = pickle.loads(pickle.dumps(found.array))
    np.testing.assert_array_equal(np.asarray(again), whole.array)
    path.unlink()  # no file is open


@pytest.mark.parametrize("name", ["plain", "zlib", "zlib pages", "OME", "tiles"])
def test_a_large_tiff_that_is_truncated_is_refused_at_once(tmp_path, name, large):
    shape, writer = LARGE[name]
    path = tmp_path / "a.tif"
    writer(path, textured(*shape))
    data = path.read_bytes()
    for tenth in range(10):
        path.write_bytes(data[: len(data) * tenth // 10])
        with pytest.raises(StorageError, match="cannot be read as an image"):
            read_image(path)


@pytest.mark.parametrize("name", ["plain", "zlib", "OME, zlib, channels"])
def test_a_large_tiff_that_changes_meanwhile_is_one_clear_error(tmp_path, name, large):
    shape, writer = LARGE[name]
    path = tmp_path / "a.tif"
    writer(path, textured(*shape))
    found = read_image(path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(StorageError, match=r"a\.tif cannot be read as an image"):
        found.array.compute()
    path.unlink()
    with pytest.raises(StorageError, match=r"a\.tif cannot be read as an image"):
        found.array.compute()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["uint16", ">f4"])
def test_a_large_numpy_file_is_read_in_parts(tmp_path, order, dtype, large):
    array = np.asarray(textured(3, 90, 70, dtype=dtype), order=order)
    np.save(tmp_path / "a.npy", array)
    found = read_image(tmp_path / "a.npy")
    assert isinstance(found.array, da.Array) == (order == "C")
    np.testing.assert_array_equal(np.asarray(found.array), array)
    assert found.axes == "ZYX"


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_more_than_64_mb_are_large(tmp_path, compression):
    array = np.zeros((5, 4000, 2000), np.uint16)
    array[:, 1234, 567] = range(1, 6)
    tifffile.imwrite(
        tmp_path / "a.tif", array, compression=compression, photometric="minisblack"
    )
    found = read_image(tmp_path / "a.tif").array
    assert isinstance(found, da.Array)
    np.testing.assert_array_equal(found[:, 1234, 567].compute(), range(1, 6))
    assert found[:, 1000:1300].sum().compute() == 15


def test_levels_of_a_tiff_can_be_chosen(tmp_path):
    array = textured(128, 160)
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as file:
        options = {"tile": (32, 32), "photometric": "minisblack"}
        sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25}
        file.write(array, subifds=1, metadata={"axes": "YX", **sizes}, **options)
        file.write(array[::2, ::2], subfiletype=1, **options)
    assert image_levels(tmp_path / "a.ome.tif") == ((128, 160), (64, 80))
    found = read_image(tmp_path / "a.ome.tif", level=1)
    check(found, array[::2, ::2], "YX", None, (0.5, 1.0))


@given(
    st.lists(
        st.tuples(st.integers(1, 300), st.integers(1, 3000)), min_size=1, max_size=4
    ),
    st.integers(1, 8),
)
def test_grouped_chunks_are_whole_ones_and_not_too_large(sides, itemsize):
    base, shape = zip(*sides, strict=True)
    chunk = grouped(base, shape, itemsize)
    for b, c, length in zip(base, chunk, shape, strict=True):
        assert c == length or c % b == 0
    first = np.prod(np.minimum(base, shape)) * itemsize
    assert np.prod(chunk) * itemsize <= max(first, 2**24)


# --- pixel sizes


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("um", 1), ("micron", 1), ("µm", 1), ("\\u00B5m", 1), ("nm", 1e-3), ("mm", 1e3)],
)
def test_the_pixel_size_of_imagej_comes_in_micrometres(tmp_path, unit, factor):
    array = textured(5, 20, 30)
    tifffile.imwrite(
        tmp_path / "a.tif",
        array,
        imagej=True,
        resolution=(1 / 0.25, 1 / 0.5),  # x, y
        metadata={
            "axes": "ZYX",
            "unit": unit.encode("ascii", "backslashreplace").decode()
            if unit != "µm"
            else "\\u00B5m",
            "spacing": 2.0,
        },
    )
    spacing = (2.0 * factor, 0.5 * factor, 0.25 * factor)
    check(read_image(tmp_path / "a.tif"), array, "ZYX", None, spacing)


@pytest.mark.parametrize("unit", ["pixel", "inch", "", "parsec"])
def test_a_unit_that_is_not_metric_is_no_pixel_size(tmp_path, unit):
    array = textured(20, 30)
    metadata = {"axes": "YX", "unit": unit}
    tifffile.imwrite(
        tmp_path / "a.tif", array, imagej=True, resolution=(4, 4), metadata=metadata
    )
    check(read_image(tmp_path / "a.tif"), array, "YX")


def ome(path, array, axes, **sizes):
    tifffile.imwrite(
        path,
        array,
        ome=True,
        metadata={"axes": axes, **sizes},
        photometric="minisblack",
    )
    return path


def test_the_pixel_size_of_ome_comes_in_micrometres_whatever_its_units(tmp_path):
    array = textured(2, 5, 20, 30)
    path = ome(
        tmp_path / "a.tif",
        array,
        "TZYX",
        PhysicalSizeX=250,
        PhysicalSizeXUnit="nm",
        PhysicalSizeY=0.5,
        PhysicalSizeYUnit="µm",
        PhysicalSizeZ=0.002,
        PhysicalSizeZUnit="mm",
    )
    check(read_image(path), array, "TZYX", None, (2.0, 0.5, 0.25))


def test_micrometres_are_the_unit_where_ome_states_none(tmp_path):
    array = textured(5, 20, 30)
    path = ome(tmp_path / "a.tif", array, "ZYX", PhysicalSizeX=0.25, PhysicalSizeY=0.5)
    check(read_image(path), array, "ZYX", None, (0.5, 0.5, 0.25))


@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"PhysicalSizeX": 0.0},
        {"PhysicalSizeX": -1.0},
        {"PhysicalSizeX": float("nan")},
        {"PhysicalSizeX": float("inf")},
        {"PhysicalSizeX": "wide"},
        {"PhysicalSizeX": 1.0, "PhysicalSizeXUnit": "pixel"},
        {"PhysicalSizeY": 1.0},
    ],
    ids=str,
)
def test_a_pixel_size_that_makes_no_sense_is_none_and_the_image_is_read(
    tmp_path, sizes
):
    array = textured(20, 30)
    check(read_image(ome(tmp_path / "a.tif", array, "YX", **sizes)), array, "YX")


# --- writing


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32"])
@pytest.mark.parametrize(
    ("shape", "axes", "spacing"),
    [
        ((20, 30), "YX", (0.5, 0.25)),
        ((3, 20, 30), "ZYX", (2.0, 0.5, 0.25)),
        ((2, 3, 20, 30), "TZYX", (2.0, 0.5, 0.25)),
        ((5, 20, 30), "TYX", (0.5, 0.25)),
        ((20, 30), "YX", None),
    ],
)
def test_what_is_written_is_read_back(tmp_path, dtype, shape, axes, spacing):
    array = textured(*shape, dtype=dtype)
    path = write_tiff(tmp_path / "a.tif", array, axes, spacing)
    check(read_image(path), array, axes, None, spacing)


@pytest.mark.parametrize(
    ("shape", "axes", "channel_axis"),
    [((2, 20, 30), "CYX", 0), ((3, 20, 30), "CYX", 0), ((20, 30, 3), "YXS", 2)],
)
def test_channels_are_written_and_read_back(tmp_path, shape, axes, channel_axis):
    array = textured(*shape, dtype="uint8")
    path = write_tiff(tmp_path / "a.tif", array, axes)
    check(read_image(path), array, "YX", channel_axis)


@pytest.mark.parametrize("dtype", ["int32", "uint32", "int64", "uint64"])
@pytest.mark.parametrize("top", [70_000, 2**31 - 1])
def test_ids_of_labels_survive(tmp_path, dtype, top):
    labels = np.array([[0, 1, 65_535], [65_536, 65_537, top]], dtype)
    np.testing.assert_array_equal(
        read_labels(write_tiff(tmp_path / "a.tif", labels, "YX")), labels
    )


def test_ids_up_to_32_bits_survive_and_larger_ones_are_refused(tmp_path):
    path = tmp_path / "a.tif"
    labels = np.array([[0, 2**32 - 1]], np.int64)
    np.testing.assert_array_equal(read_labels(write_tiff(path, labels, "YX")), labels)
    for value in (2**32, -(2**31) - 1):
        with pytest.raises(InputError, match="TIFF takes 32 bits"):
            write_tiff(path, np.array([[-1, value]]), "YX")
    np.testing.assert_array_equal(read_labels(path), labels)


@pytest.mark.parametrize(
    ("dtype", "written"), [("bool", "uint8"), ("float16", "float32")]
)
def test_types_that_ome_lacks_become_the_next_one_that_holds_them(
    tmp_path, dtype, written
):
    array = textured(20, 30, dtype=dtype)
    found = read_image(write_tiff(tmp_path / "a.tif", array, "YX")).array
    assert found.dtype == written
    np.testing.assert_array_equal(found, array)


WIDE = ["longdouble"] if np.dtype("longdouble").itemsize > 8 else []


@pytest.mark.parametrize("dtype", ["complex64", "U3", *WIDE])
def test_values_that_are_no_real_numbers_are_not_written(tmp_path, dtype):
    with pytest.raises(InputError, match="cannot hold values of type"):
        write_tiff(tmp_path / "a.tif", np.zeros((4, 4), dtype), "YX")
    assert not list(tmp_path.iterdir())


def test_an_image_without_pixels_is_not_written(tmp_path):
    with pytest.raises(InputError, match=r"no pixels: the shape is \(0, 4\)"):
        write_tiff(tmp_path / "a.tif", np.zeros((0, 4), np.uint8), "YX")
    assert not list(tmp_path.iterdir())


def test_a_failing_write_leaves_the_old_image(tmp_path, monkeypatch):
    path = write_tiff(tmp_path / "a.tif", textured(20, 30), "YX")
    before = path.read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(StorageError, match="No space left"):
        write_tiff(path, textured(40, 30), "YX")
    with pytest.raises(StorageError, match="No space left"):
        write_json(tmp_path / "a.json", {})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]


@pytest.mark.parametrize(("side", "large"), [(100, False), (70_000, True)])
def test_an_image_beyond_4_gigabytes_gets_offsets_of_64_bits(
    tmp_path, monkeypatch, side, large
):
    asked = {}
    monkeypatch.setattr(
        tifffile, "imwrite", lambda *_, **options: asked.update(options)
    )
    write_tiff(
        tmp_path / "a.tif", np.broadcast_to(np.uint8(0), (side, side)), axes="YX"
    )
    assert asked["bigtiff"] is large


def test_a_path_under_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="could not be written"):
        write_tiff(tmp_path / "file" / "a.tif", textured(4, 4), "YX")


def test_json_is_written_for_other_programs(tmp_path):
    values = {"a": [1, 2.5, None, "ä"]}
    path = write_json(tmp_path / "a.json", values)
    assert json.loads(path.read_text()) == values


# --- arrays and pictures


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((20, 30), "YX"), ((3, 20, 30), "ZYX"), ((2, 3, 20, 30), "TZYX")],
)
@pytest.mark.parametrize("name", ["a.npy", "a.NPY"])
def test_a_numpy_file_is_read(tmp_path, shape, axes, name):
    array = textured(*shape, dtype="float32")
    with (tmp_path / name).open("wb") as file:
        np.save(file, array)
    check(read_image(tmp_path / name), array, axes)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "bool"])
@pytest.mark.parametrize("suffix", [".png", ".PNG", ".bmp"])
def test_a_grey_picture_is_read_in_its_own_depth(tmp_path, dtype, suffix):
    if dtype == "uint16" and suffix == ".bmp":
        pytest.skip("BMP has no 16 bits")
    array = textured(20, 30, dtype=dtype)
    if dtype == "uint16":
        array = array * 257
    Image.fromarray(array).save(tmp_path / f"a{suffix}")
    check(read_image(tmp_path / f"a{suffix}"), array, "YX")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "LA", "CMYK"])
def test_a_coloured_picture_has_three_channels(tmp_path, mode):
    suffix = ".tiff" if mode == "CMYK" else ".png"
    if mode == "CMYK":
        suffix = ".jpg"
    array = textured(20, 30, 3, dtype="uint8")
    Image.fromarray(array).convert(mode).save(tmp_path / f"a{suffix}")
    found = read_image(tmp_path / f"a{suffix}")
    assert (found.axes, found.channel_axis, found.array.shape) == (
        "YX",
        -1,
        (20, 30, 3),
    )
    if mode in ("RGB", "RGBA"):
        np.testing.assert_array_equal(found.array, array)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_an_animation_is_refused_rather_than_cut_to_its_first_frame(tmp_path, suffix):
    first, *more = (Image.fromarray(a) for a in textured(3, 20, 30, dtype="uint8"))
    first.save(tmp_path / f"a{suffix}", save_all=True, append_images=more)
    with pytest.raises(InputError, match="3 frames; save them as a TIFF stack"):
        read_image(tmp_path / f"a{suffix}")


def test_what_is_read_may_be_changed(tmp_path):
    Image.fromarray(textured(4, 5, dtype="uint8")).save(tmp_path / "a.png")
    np.save(tmp_path / "a.npy", textured(4, 5))
    write_tiff(tmp_path / "a.tif", textured(4, 5), "YX")
    for name in ("a.png", "a.npy", "a.tif"):
        assert read_image(tmp_path / name).array.flags.writeable


# --- zarr


def stored(path, array, chunks=None, **options):
    made = zarr.create_array(
        path,
        shape=array.shape,
        dtype=array.dtype,
        chunks=chunks or array.shape,
        **options,
    )
    made[:] = array
    return path


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    ("shape", "axes"),
    [((20, 30), "YX"), ((3, 20, 30), "ZYX"), ((2, 3, 20, 30), "TZYX")],
)
def test_a_zarr_array_is_read_lazily(tmp_path, version, shape, axes):
    array = textured(*shape)
    path = stored(tmp_path / "a.zarr", array, zarr_format=version)
    found = read_image(path)
    assert isinstance(found.array, da.Array)
    check(found, array, axes)


def ome_zarr(path, array, axes, version=3, datasets=None, **more):
    group = zarr.create_group(path, zarr_format=version)
    for name, level in (("0", array), ("1", array[..., ::2, ::2])):
        stored(path / name, level, zarr_format=version)
    multiscale = {
        "axes": axes,
        "datasets": datasets or [{"path": "0"}, {"path": "1"}],
        **more,
    }
    content = {"version": "0.5", "multiscales": [multiscale]}
    group.attrs.update({"ome": content} if version == 3 else content)
    return path


def named(letters, unit=None):
    return [
        {"name": letter.lower(), **({"unit": unit} if unit else {})}
        for letter in letters
    ]


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    ("shape", "letters", "axes", "channel_axis"),
    [
        ((20, 30), "YX", "YX", None),
        ((3, 20, 30), "TYX", "TYX", None),
        ((3, 20, 30), "CYX", "YX", 0),
        ((2, 3, 4, 20, 30), "TCZYX", "TZYX", 1),
    ],
)
def test_the_finest_level_of_an_ome_zarr_image_is_read_lazily(
    tmp_path, version, shape, letters, axes, channel_axis
):
    array = textured(*shape)
    path = ome_zarr(tmp_path / "a.ome.zarr", array, named(letters), version)
    found = read_image(path)
    assert isinstance(found.array, da.Array)
    check(found, array, axes, channel_axis)


def test_axes_of_old_ome_zarr_images_are_plain_letters(tmp_path):
    array = textured(3, 20, 30)
    path = ome_zarr(tmp_path / "a.zarr", array, ["t", "y", "x"], 2)
    check(read_image(path), array, "TYX")


def test_a_single_channel_is_no_axis(tmp_path):
    array = textured(2, 1, 20, 30)
    path = ome_zarr(tmp_path / "a.zarr", array, named("TCYX"))
    found = read_image(path)
    assert isinstance(found.array, da.Array)
    check(found, array[:, 0], "TYX")


def scaled(*factors):
    return [{"type": "scale", "scale": list(factors)}]


def test_the_pixel_size_of_ome_zarr_comes_in_micrometres(tmp_path):
    array = textured(1, 3, 20, 30)
    path = ome_zarr(
        tmp_path / "a.zarr",
        array,
        named("C") + named("ZYX", "nanometer"),
        datasets=[
            {"path": "0", "coordinateTransformations": scaled(1, 1000, 250, 250)}
        ],
        coordinateTransformations=scaled(1, 2, 2, 1),
    )
    check(read_image(path), array[0], "ZYX", None, (2.0, 0.5, 0.25))


def test_a_stack_called_a_film_and_the_other_way_round_keep_no_wrong_pixel_size(
    tmp_path,
):
    array = textured(3, 20, 30)
    film = read_image(write_tiff(tmp_path / "a.tif", array, "TYX", (0.5, 0.25)))
    check(described(film, "ZYX"), array, "ZYX")
    stack = read_image(write_tiff(tmp_path / "b.tif", array, "ZYX", (2, 0.5, 0.25)))
    check(described(stack, "TYX"), array, "TYX", None, (0.5, 0.25))


@pytest.mark.parametrize(
    "transformations",
    [
        scaled(1.0, 1.0, 1.0),
        scaled(0.0, 0.0),
        scaled("a", "b"),
        [{"type": "translation", "translation": [1, 1]}],
        [{"type": "scale"}],
    ],
    ids=str,
)
def test_a_scale_that_makes_no_sense_is_none_or_a_storage_error(
    tmp_path, transformations
):
    array = textured(20, 30)
    path = ome_zarr(
        tmp_path / "a.zarr",
        array,
        named("YX", "micrometer"),
        datasets=[{"path": "0", "coordinateTransformations": transformations}],
    )
    try:
        found = read_image(path)
    except StorageError:
        return
    check(found, array, "YX")


def test_units_that_are_absent_give_no_pixel_size(tmp_path):
    array = textured(20, 30)
    datasets = [{"path": "0", "coordinateTransformations": scaled(0.5, 0.5)}]
    path = ome_zarr(tmp_path / "a.zarr", array, named("YX"), datasets=datasets)
    check(read_image(path), array, "YX")


@pytest.mark.parametrize("version", [2, 3])
def test_a_level_of_an_ome_zarr_image_comes_with_its_pixel_size(tmp_path, version):
    array = textured(1, 3, 20, 30)
    path = ome_zarr(
        tmp_path / "a.zarr",
        array,
        named("C") + named("ZYX", "micrometer"),
        version,
        datasets=[
            {"path": "0", "coordinateTransformations": scaled(1, 2, 0.5, 0.25)},
            {"path": "1", "coordinateTransformations": scaled(1, 2, 1, 0.5)},
        ],
    )
    assert image_levels(path) == ((3, 20, 30), (3, 10, 15))
    check(read_image(path, 0), array[0], "ZYX", None, (2.0, 0.5, 0.25))
    found = read_image(path, level=1)
    check(found, array[0, ..., ::2, ::2], "ZYX", None, (2.0, 1.0, 0.5))
    assert found.levels == image_levels(path)


def levels_of(tmp_path):
    array = textured(20, 30)
    np.save(tmp_path / "a.npy", array)
    tifffile.imwrite(tmp_path / "a.tif", array)
    Image.fromarray(array).save(tmp_path / "a.png")
    stored(tmp_path / "a.zarr", array)
    ome_zarr(tmp_path / "b.zarr", array, named("YX"))


@pytest.mark.parametrize("name", ["a.npy", "a.tif", "a.png", "a.zarr", "b.zarr"])
@pytest.mark.parametrize("level", [-1, 2])
def test_a_level_that_is_not_there_is_refused_with_those_that_are(
    tmp_path, name, level
):
    levels_of(tmp_path)
    with pytest.raises(InputError, match=f"no resolution level {level}") as caught:
        read_image(tmp_path / name, level)
    assert "0 (20 × 30)" in str(caught.value)
    assert ("1 (10 × 15)" in str(caught.value)) == (name == "b.zarr")


@pytest.mark.parametrize("version", [2, 3])
def test_labels_inside_an_ome_zarr_image_have_a_path(tmp_path, version):
    path = ome_zarr(tmp_path / "a.zarr", textured(2, 20, 30), named("CYX"), version)
    labels = textured(20, 30, dtype="int32")
    zarr.create_group(path / "labels", zarr_format=version)
    ome_zarr(path / "labels" / "nuclei", labels, named("YX"), version)
    assert image_levels(path / "labels" / "nuclei") == ((20, 30), (10, 15))
    np.testing.assert_array_equal(read_labels(path / "labels" / "nuclei"), labels)
    np.testing.assert_array_equal(
        read_labels(path / "labels/nuclei/1"), labels[::2, ::2]
    )
    with pytest.raises(StorageError, match="does not exist"):
        read_image(path / "labels" / "cells")
    with pytest.raises(InputError, match=r"arrays inside \(nuclei\)"):
        read_image(path / "labels")


def test_an_array_of_zarr_3_may_name_its_axes(tmp_path):
    array = textured(2, 20, 30)
    stored(tmp_path / "a.zarr", array, dimension_names=("t", "y", "x"))
    check(read_image(tmp_path / "a.zarr"), array, "TYX")
    stored(tmp_path / "b.zarr", array, dimension_names=("band", "lat", "lon"))
    check(read_image(tmp_path / "b.zarr"), array, "ZYX")


def test_axes_of_zarr_may_have_whole_words_for_names(tmp_path):
    array = textured(2, 20, 30)
    stored(tmp_path / "a.zarr", array, dimension_names=("time", "y", "x"))
    check(read_image(tmp_path / "a.zarr"), array, "TYX")
    path = ome_zarr(tmp_path / "b.zarr", array, [{"name": "channel"}, *named("YX")])
    check(read_image(path), array, "YX", 0)


@pytest.mark.parametrize("version", [2, 3])
def test_a_chunk_that_cannot_be_decoded_is_one_clear_error(tmp_path, version):
    array = textured(64, 64)
    path = ome_zarr(tmp_path / "a.zarr", array, named("YX"), version)
    chunk = path / "0" / ("0.0" if version == 2 else "c/0/0")
    chunk.write_bytes(b"no codec makes anything of this")
    found = read_image(path)
    with pytest.raises(StorageError, match=r"a\.zarr cannot be read as an image"):
        found.array.compute()
    with pytest.raises(StorageError, match=r"a\.zarr cannot be read as an image"):
        np.asarray(found.array[3:5, 7])
    check(read_image(path, 1), array[::2, ::2], "YX")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"zarr_format": 9}'])
@pytest.mark.parametrize("where", [".", "0"])
def test_broken_metadata_of_a_zarr_are_one_clear_error(tmp_path, text, where):
    path = ome_zarr(tmp_path / "a.zarr", textured(20, 30), named("YX"))
    (path / where / "zarr.json").write_text(text)
    with pytest.raises(StorageError, match=r"a\.zarr cannot be read as an image"):
        read_image(path)


def test_small_chunks_make_few_tasks_and_lazy_pixels_travel_by_path(tmp_path):
    array = textured(5, 600, 500)
    found = read_image(stored(tmp_path / "a.zarr", array, chunks=(1, 50, 50))).array
    assert found.npartitions == 1
    sent = pickle.dumps(found)
    assert len(sent) < array.nbytes / 20
    np.testing.assert_array_equal(np.asarray(pickle.loads(sent)), array)


def test_errors_of_readers_name_the_file_and_those_of_this_package_stay():
    sentence = r"^a\.tif cannot be read .*: KeyError"
    with pytest.raises(StorageError, match=sentence), reading("a.tif"):
        raise KeyError
    with pytest.raises(InputError, match="as it was"), reading("a.tif"):
        raise InputError("as it was")


def test_a_zarr_group_without_an_image_is_refused(tmp_path):
    zarr.create_group(tmp_path / "a.zarr")
    with pytest.raises(InputError, match="zarr group without an OME-Zarr image"):
        read_image(tmp_path / "a.zarr")


@pytest.mark.parametrize(
    "multiscale",
    [
        {"axes": [{"name": "y"}, {"name": "x"}], "datasets": []},
        {"axes": [{"name": "y"}, {"name": "x"}], "datasets": [{"path": "missing"}]},
        {"axes": [{"name": "y"}, {"name": "x"}], "datasets": [{"path": "../../up"}]},
        {"axes": [{"name": "y"}, {"name": "x"}]},
        {"axes": [{}], "datasets": [{"path": "0"}]},
        {"axes": 5, "datasets": [{"path": "0"}]},
        {"axes": ["c", "x"], "datasets": [{"path": "0"}]},
        {"axes": ["y"], "datasets": [{"path": "0"}]},
        {"datasets": [{"path": "0"}]},
        "text",
    ],
    ids=str,
)
def test_an_ome_zarr_image_that_is_broken_is_refused(tmp_path, multiscale):
    path = ome_zarr(tmp_path / "a.zarr", textured(20, 30), named("YX"))
    zarr.open_group(path).attrs["ome"] = {"multiscales": [multiscale]}
    with pytest.raises(StudioError, match=r"a\.zarr"):
        read_image(path)


def test_a_folder_that_is_no_zarr_is_refused(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(StorageError, match=r"a\.zarr cannot be read"):
        read_image(tmp_path / "a.zarr")


# --- refusals


@pytest.mark.parametrize("name", ["a.txt", "a", "a.czi", ".tif", "a.tif.gz"])
def test_a_file_of_an_unknown_kind_is_refused_with_the_known_ones(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(InputError, match="unknown kind") as caught:
        read_image(tmp_path / name)
    assert all(suffix in str(caught.value) for suffix in SUFFIXES)


def test_a_folder_and_a_missing_file_without_suffix_are_called_what_they_are(tmp_path):
    with pytest.raises(InputError, match="is a folder; give one of the images in it"):
        read_image(tmp_path)
    with pytest.raises(StorageError, match="does not exist; check the path"):
        read_image(tmp_path / "labels")


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_a_missing_an_empty_and_a_foreign_file_are_refused(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    with pytest.raises(StorageError, match="does not exist; check the path"):
        read_image(path)
    for data in (b"", b"not an image at all, but text of some length", bytes(500)):
        path.write_bytes(data)
        with pytest.raises(StorageError, match="cannot be read as an image") as caught:
            read_image(path)
        assert path.name in str(caught.value)


@pytest.mark.parametrize("suffix", sorted(SUFFIXES - {".zarr"}))
def test_a_folder_named_like_an_image_is_refused(tmp_path, suffix):
    (tmp_path / f"a{suffix}").mkdir()
    with pytest.raises(StorageError, match="cannot be read as an image"):
        read_image(tmp_path / f"a{suffix}")


def imagej(path, array):
    tifffile.imwrite(path, array, imagej=True, metadata={"axes": "ZYX"})


WRITERS = {
    "plain.tif": lambda p, a: tifffile.imwrite(p, a, photometric="minisblack"),
    "zlib.tif": lambda p, a: write_tiff(p, a, "ZYX"),
    "lzw.tif": lambda p, a: tifffile.imwrite(
        p, a, compression="lzw", photometric="minisblack"
    ),
    "tiled.tif": lambda p, a: tifffile.imwrite(p, a[0], tile=(16, 16)),
    "imagej.tif": imagej,
    "a.npy": np.save,
    "a.png": lambda p, a: Image.fromarray(a[0]).save(p),
    "a.bmp": lambda p, a: Image.fromarray(a[0].astype("uint8")).save(p),
    "a.jpg": lambda p, a: Image.fromarray(a[0].astype("uint8")).save(p),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path, name, caplog):
    path = tmp_path / name
    WRITERS[name](path, textured(3, 40, 50))
    read_image(path)
    data = path.read_bytes()
    for tenth in range(10):
        path.write_bytes(data[: len(data) * tenth // 10])
        with pytest.raises(StorageError, match="cannot be read as an image"):
            read_image(path)


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_with_flipped_bytes_is_read_or_refused_and_never_more(
    tmp_path, name, caplog
):
    path = tmp_path / name
    WRITERS[name](path, textured(3, 40, 50))
    data = path.read_bytes()
    generator = np.random.default_rng(0)
    read = 0
    for _ in range(60):
        broken = bytearray(data)
        for end in (200, len(data)):
            broken[generator.integers(end)] = generator.integers(256)
        path.write_bytes(bytes(broken))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # libraries may wonder
            try:
                read_image(path)
                read += 1
            except StudioError:
                continue
    assert read < 60


def test_a_pickled_array_is_refused_and_not_run(tmp_path):
    class Exploit:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    np.save(tmp_path / "a.npy", np.array([Exploit()], dtype=object), allow_pickle=True)
    with pytest.raises(StorageError, match="Python objects, not numbers"):
        read_image(tmp_path / "a.npy")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("place", ["filters", "compressor"])
def test_a_zarr_array_of_pickles_is_refused_before_it_is_read(tmp_path, place):
    path = stored(tmp_path / "a.zarr", textured(4, 4), zarr_format=2)
    values = json.loads((path / ".zarray").read_text())
    values.update(dtype="|O", fill_value="", compressor=None)
    values["filters"] = [{"id": "vlen-utf8"}]
    pickled = {"id": "pickle"}
    if place == "filters":
        values["filters"].append(pickled)
    else:
        values["compressor"] = pickled
    (path / ".zarray").write_text(json.dumps(values))
    with pytest.raises(InputError, match="pickled objects, which could run code"):
        read_image(tmp_path / "a.zarr")


def test_an_archive_of_arrays_is_refused(tmp_path):
    with (tmp_path / "a.npy").open("wb") as file:
        np.savez(file, a=np.zeros((4, 4)))
    with pytest.raises(StorageError, match="archive of several arrays"):
        read_image(tmp_path / "a.npy")


def test_an_array_that_claims_more_than_memory_is_refused(tmp_path):
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (9999999, 9999999), }"
    header = header.ljust(117) + b"\n"
    data = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(StorageError, match=r"cannot be read as an image.* use a part"):
        read_image(tmp_path / "a.npy")


@pytest.mark.parametrize("colour", [2, 4, 6])  # RGB, grey or RGB with opacity
def test_a_png_of_16_bits_for_each_colour_is_refused_and_not_cut_to_8(tmp_path, colour):
    def chunk(kind, data):
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    samples = {2: 3, 4: 2, 6: 4}[colour]
    rows = b"".join(b"\0" + bytes(30 * samples * 2) for _ in range(20))
    head = struct.pack(">IIBBBBB", 30, 20, 16, colour, 0, 0, 0)
    parts = {b"IHDR": head, b"IDAT": zlib.compress(rows), b"IEND": b""}
    data = b"".join(chunk(*part) for part in parts.items())
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    with pytest.raises(InputError, match="16 bits for each colour"):
        read_image(tmp_path / "a.png")


def test_a_picture_larger_than_pillow_allows_is_refused_as_such(tmp_path, monkeypatch):
    Image.fromarray(textured(20, 30, dtype="uint8")).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(InputError, match=r"more pixels .* save it as TIFF or zarr"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("shape", [(), (5,), (2, 2, 2, 4, 4)])
def test_an_array_of_too_few_or_too_many_axes_is_refused(tmp_path, shape):
    np.save(tmp_path / "a.npy", np.zeros(shape))
    with pytest.raises(InputError, match=r"a\.npy has axes"):
        read_image(tmp_path / "a.npy")


def test_axes_beyond_those_of_space_time_and_channel_are_refused(tmp_path):
    array = textured(2, 3, 20, 30)
    tifffile.imwrite(
        tmp_path / "a.tif", array, metadata={"axes": "RHYX"}, photometric="minisblack"
    )
    with pytest.raises(InputError, match="only time, z, channel"):
        read_image(tmp_path / "a.tif")


def test_labels_with_channels_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", textured(20, 30, 3, dtype="uint8"))
    with pytest.raises(InputError, match="one number per pixel"):
        read_labels(tmp_path / "a.tif")


def test_labels_from_zarr_come_into_memory(tmp_path):
    labels = textured(20, 30, dtype="int32")
    found = read_labels(stored(tmp_path / "a.zarr", labels))
    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, labels)


def test_large_labels_stay_in_their_file_if_so_desired(tmp_path, large):
    labels = textured(20, 30, dtype="int32")
    path = write_tiff(tmp_path / "a.tif", labels, "YX")
    found = read_label_array(path)
    assert not isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, labels)
    tifffile.imwrite(tmp_path / "b.tif", textured(20, 30, 3, dtype="uint8"))
    with pytest.raises(InputError, match="one number per pixel"):
        read_label_array(tmp_path / "b.tif")


# --- axes alone


@pytest.mark.parametrize(
    ("name", "shape", "options", "axes"),
    [
        ("a.tif", (2, 9, 8), {"imagej": True, "metadata": {"axes": "CYX"}}, "CYX"),
        ("a.tif", (5, 2, 9, 8), {"imagej": True, "metadata": {"axes": "ZCYX"}}, "ZCYX"),
        ("a.ome.tif", (2, 5, 9, 8), {"metadata": {"axes": "CZYX"}}, "CZYX"),
        ("a.ome.tif", (4, 3, 9, 8), {"metadata": {"axes": "ZTYX"}}, "ZTYX"),
        ("a.tif", (7, 9, 8), {"imagej": True, "metadata": {"axes": "TYX"}}, "TYX"),
        ("a.tif", (9, 8), {}, "YX"),
        ("a.tif", (7, 9, 8), {}, "?YX"),
        # A stack of 3 planes, which tifffile takes for samples of colour.
        ("a.tif", (3, 9, 8), {"photometric": "rgb", "planarconfig": 2}, "?YX"),
        ("a.tif", (9, 8, 3), {"photometric": "rgb"}, "YXC"),
    ],
)
def test_axes_are_told_from_a_header_alone(tmp_path, name, shape, options, axes):
    path = tmp_path / name
    tifffile.imwrite(path, textured(*shape, dtype="uint8"), **options)
    with tifffile.TiffFile(path) as tiff:
        first = tiff.pages.first.dataoffsets[0]
    assert stated_axes(path) == (axes, shape)
    with path.open("r+b") as file:  # what lies where pixels are does not matter
        file.seek(first)
        file.write(b"\xff" * 72)
    assert stated_axes(path) == (axes, shape)


def test_axes_of_a_store_are_told_without_its_chunks(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.create_array("0", shape=(2, 5, 9, 8), dtype="uint8", chunks=(1, 5, 9, 8))
    group.attrs["multiscales"] = [
        {"axes": [{"name": n} for n in "czyx"], "datasets": [{"path": "0"}]}
    ]
    assert stated_axes(tmp_path / "a.zarr") == ("CZYX", (2, 5, 9, 8))


def test_kinds_without_axes_state_none_and_no_file_is_an_error(tmp_path):
    np.save(tmp_path / "a.npy", textured(2, 9, 8))
    assert stated_axes(tmp_path / "a.npy") == ("", ())
    with pytest.raises(StorageError, match=r"gone\.tif"):
        stated_axes(tmp_path / "gone.tif")

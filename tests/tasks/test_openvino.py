import contextlib
import importlib.util
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rich
import torch

from napari_unet_studio.core.errors import ConfigError, DeviceError
from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.core.networks.catalog import NETWORKS, build
from napari_unet_studio.io.images import read_image
from napari_unet_studio.io.model import ModelCard
from napari_unet_studio.io.registry import load_model
from napari_unet_studio.tasks.agreement import Agreement
from napari_unet_studio.tasks.device import is_out_of_memory
from napari_unet_studio.tasks.executors import probabilities_of
from napari_unet_studio.tasks.openvino import InaccurateError, OpenVinoExecutor
from napari_unet_studio.tasks.openvino_model import explained

WHOLE = (slice(None), slice(None))


def noise(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def missing(*names):
    return [name for name in names if importlib.util.find_spec(name) is None]


@torch.inference_mode()
def torch_says(network, card, blocks, crops):
    logits = network(torch.from_numpy(blocks))
    pairs = zip(logits, crops, strict=True)
    return [probabilities_of(one[:, *crop], card).numpy() for one, crop in pairs]


# -- what needs no OpenVINO ------------------------------------------------------------


def test_equal_probabilities_agree() -> None:
    found = Agreement.between(*[noise((1, 9, 9))] * 2, 0.5)
    assert found == Agreement(0, 0, 0, 0)
    assert found.good


def test_a_difference_that_crosses_no_threshold_is_measured_and_good() -> None:
    exact = np.array([[0.1, 0.2, 0.9, 0.8]], np.float32)
    found = Agreement.between(exact, exact + np.float32(0.05), 0.5)
    assert found.mean == pytest.approx(0.05, abs=1e-6)
    assert found.largest == pytest.approx(0.05, abs=1e-6)
    assert found.flips == found.foreground_flips == 0
    assert found.good


def test_a_pixel_at_the_threshold_is_foreground() -> None:
    at, below = np.full((1, 10), 0.5), np.full((1, 10), 0.49)
    assert Agreement.between(at, below, 0.5).flips == 1
    assert Agreement.between(at, at + 0.1, 0.5).flips == 0


def test_two_pixels_in_a_hundred_are_too_many() -> None:
    exact = np.ones((1, 100))
    for changed, good in ((1, True), (2, False)):
        quick = exact.copy()
        quick[0, :changed] = 0
        assert Agreement.between(exact, quick, 0.5).good is good


def test_a_small_object_that_is_lost_is_noticed() -> None:
    exact = np.zeros((1, 100, 100))
    exact[0, :5, :5] = 1
    found = Agreement.between(exact, np.zeros_like(exact), 0.5)
    assert found.flips == 0.0025
    assert found.foreground_flips == 1
    assert not found.good


def test_classes_change_where_another_one_wins() -> None:
    exact = np.array([[0.6, 0.1, 0.1], [0.3, 0.5, 0.2], [0.1, 0.4, 0.7]])
    quick = np.array([[0.5, 0.1, 0.2], [0.4, 0.4, 0.2], [0.1, 0.5, 0.6]])
    found = Agreement.between(exact, quick, 0.5)
    assert (found.flips, found.foreground_flips) == (1 / 3, 1 / 2)


def test_what_is_no_number_does_not_agree() -> None:
    exact = np.zeros((1, 1000))
    quick = exact.copy()
    quick[0, 0] = np.nan
    assert not Agreement.between(exact, quick, 0.5).good


def test_the_numbers_are_told_in_words() -> None:
    text = str(Agreement(0.00123, 0.4, 0.0056, 0.07))
    assert text == (
        "probabilities differ by 0.0012 on average and by 0.4 at most, and 0.56 % of "
        "the pixels change sides (7 % of the foreground)"
    )


@pytest.mark.parametrize(
    "report",
    [
        "Check 'ptr' failed at src/plugins/intel_cpu/src/cpu_memory.cpp:257:\n"
        "Failed to allocate 4294967296 bytes of memory\n\n",
        "std::bad_alloc",
    ],
)
def test_memory_that_ran_out_is_known_as_such(report) -> None:
    with (
        pytest.raises(DeviceError, match="out of memory for 64 x 64 pixels") as caught,
        explained("64 x 64 pixels"),
    ):
        raise RuntimeError(report)
    assert is_out_of_memory(caught.value)


def test_other_failures_name_their_reason_and_another_engine() -> None:
    with (
        pytest.raises(
            ConfigError, match=r"this network: No such thing\. Choose .*torch"
        ),
        explained("this network"),
    ):
        raise RuntimeError("Check failed at src/core/x.cpp:1:\nNo such thing.\n\n")


@pytest.mark.skipif(not missing("openvino"), reason="OpenVINO is installed")
def test_without_openvino_the_message_says_how_to_install_it(tiny_model) -> None:
    model = tiny_model()
    line = r"pip install 'napari-unet-studio\[openvino\]'"
    with pytest.raises(ConfigError, match=line):
        OpenVinoExecutor(model.network, model.card, "float32")
    assert sys.modules.get("openvino_telemetry", "absent") is not None


# -- what needs it ---------------------------------------------------------------------

needs_openvino = pytest.mark.skipif(
    bool(missing("openvino")), reason="could not import 'openvino'"
)
needs_nncf = pytest.mark.skipif(
    bool(missing("openvino", "nncf")), reason="could not import 'openvino' and 'nncf'"
)


# Of Eff-UNet the smallest one: the others repeat its blocks.
@needs_openvino
@pytest.mark.parametrize(
    "name", [n for n in NETWORKS if not n.startswith("eff-unet-b") or n[-1] == "0"]
)
def test_every_network_answers_as_in_torch(name) -> None:
    spec = NETWORKS[name].scaled(1 / 8)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build(spec).eval()
    card = ModelCard(
        name=name,
        spec=spec,
        target="objects" if spec.num_classes < 3 else "classes",
        class_values=tuple(range(max(2, spec.num_classes))),
    )
    executor = OpenVinoExecutor(network, card, "float32")
    smallest = spec.input_shape((1,) * spec.ndim)
    window = spec.input_shape(
        [s + 40 // spec.ndim for s in spec.output_shape(smallest)]
    )
    blocks = noise((2, spec.in_channels, *window))
    crop = tuple(slice(1, size - 2) for size in spec.output_shape(window))
    expected = torch_says(network, card, blocks, [crop, crop])
    found = executor.submit(blocks, [crop, crop])()
    executor.close()
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.flags.c_contiguous
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)
    assert np.ptp(expected[0]) > 0


@needs_openvino
@pytest.mark.parametrize(
    ("num_classes", "target", "channels"),
    [(1, "objects", 1), (2, "objects", 1), (1, "classes", 1), (3, "classes", 3)],
)
def test_logits_become_the_probabilities_of_the_card(
    tiny_model, num_classes, target, channels
) -> None:
    values = tuple(range(max(2, num_classes)))
    model = tiny_model(num_classes=num_classes, target=target, class_values=values)
    executor = OpenVinoExecutor(model.network, model.card, "float32")
    blocks = noise((1, 1, 32, 48))
    crop = (slice(3, 20), slice(8, 40))
    (found,) = executor.submit(blocks, [crop])()
    (expected,) = torch_says(model.network, model.card, blocks, [crop])
    assert found.shape == (channels, 17, 32)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@needs_openvino
def test_batches_on_their_way_do_not_disturb_each_other(tiny_model) -> None:
    model = tiny_model(in_channels=2)
    executor = OpenVinoExecutor(model.network, model.card, "float32")
    shapes = [(3, 2, 64, 64), (1, 2, 32, 64), (2, 2, 64, 32), (1, 2, 16, 16)]
    waits, expected = [], []
    for seed, shape in enumerate([*shapes, *shapes]):
        blocks, crops = noise(shape, seed), [WHOLE] * shape[0]
        expected.append(torch_says(model.network, model.card, blocks, crops))
        waits.append(executor.submit(blocks, crops))
        blocks[:] = 0  # the caller may use its array again
    executor.close()
    for wait, answers in reversed(list(zip(waits, expected, strict=True))):
        np.testing.assert_allclose(wait(), answers, rtol=0, atol=1e-5)


@needs_openvino
def test_an_answer_nobody_waits_for_does_no_harm(tiny_model) -> None:
    model = tiny_model()
    executor = OpenVinoExecutor(model.network, model.card, "float32")
    for _ in range(4):
        executor.submit(noise((2, 1, 256, 256)), [WHOLE] * 2)
    executor.close()


@needs_openvino
def test_a_window_off_the_grid_is_refused(tiny_model) -> None:
    model = tiny_model()
    executor = OpenVinoExecutor(model.network, model.card, "float32")
    with pytest.raises(ConfigError, match=r"\(30, 32\).*use \(32, 32\)"):
        executor.submit(noise((1, 1, 30, 32)), [WHOLE])


@needs_openvino
def test_bfloat16_is_near_float32(tiny_model) -> None:
    model, blocks = tiny_model(), noise((1, 1, 64, 64))
    executor = OpenVinoExecutor(model.network, model.card, "bfloat16")
    (found,) = executor.submit(blocks, [WHOLE])()
    (expected,) = torch_says(model.network, model.card, blocks, [WHOLE])
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.02)


@needs_openvino
def test_nothing_is_sent_and_nothing_written_at_home(tmp_path) -> None:
    # In a new process: what counts is the first import.
    program = """
import importlib.util
import socket
import sys

import numpy as np

def refuse(*_):
    raise AssertionError("a connection was opened")

socket.socket.connect = socket.getaddrinfo = refuse
from napari_unet_studio.core.networks.catalog import get_spec, build
from napari_unet_studio.io.model import ModelCard
from napari_unet_studio.tasks.executors import probabilities_of
from napari_unet_studio.tasks.openvino import OpenVinoExecutor

spec = get_spec("unet-16").scaled(0.25)
OpenVinoExecutor(build(spec).eval(), ModelCard(name="a", spec=spec), "float32")
assert not any(name.startswith("openvino_telemetry") for name in sys.modules)
"""
    home = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    home |= {"LOCALAPPDATA": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    env = {**os.environ, **home}
    subprocess.run([sys.executable, "-c", program], env=env, check=True, timeout=120)
    assert list(tmp_path.iterdir()) == []


# -- 8-bit integers --------------------------------------------------------------------


def nuclei_blocks(folder: Path, model):
    """Return the images of 256 x 256 pixels, normalised, (C, Y, X) each."""
    blocks = []
    for path in sorted((folder / "nuclei_dsb2018/val/images").iterdir()):
        image = np.asarray(read_image(path).array, np.float32)[None]
        if image.shape == (1, 256, 256):
            offset, scale = model.card.normalisation.fit(image)
            blocks.append(Normalisation.apply(image, offset, scale))
    return blocks


@needs_nncf
def test_int8_finds_the_nuclei_of_float32(data_dir) -> None:
    model = load_model("nuclei")
    *calibration, unseen = nuclei_blocks(data_dir, model)[:5]
    network = model.network.eval()
    executor = OpenVinoExecutor(network, model.card, "int8", calibration)
    assert "change sides" in executor.check
    assert "on 1 block" in executor.check
    (found,) = executor.submit(unseen[None], [WHOLE])()
    (exact,) = torch_says(network, model.card, unseen[None], [WHOLE])
    assert not np.array_equal(found, exact)
    assert Agreement.between(exact, found, model.card.threshold).good


@needs_nncf
@pytest.mark.parametrize("ndim", [2, 3])
def test_int8_takes_other_windows_than_those_it_was_calibrated_with(
    threshold_model, ndim
) -> None:
    model = threshold_model(ndim=ndim)
    rng = np.random.default_rng(0)
    sharp = [(rng.random((1, *(16,) * ndim)) > 0.5).astype(np.float32) for _ in "abcd"]
    executor = OpenVinoExecutor(model.network, model.card, "int8", sharp)
    blocks = (rng.random((1, 1, *(24,) * ndim)) > 0.5).astype(np.float32)
    (found,) = executor.submit(blocks, [(slice(None),) * ndim])()
    np.testing.assert_array_equal(found[0] > 0.5, blocks[0, 0] > 0.5)


@needs_nncf
def test_int8_that_changes_the_answer_is_refused(threshold_model) -> None:
    # Only a step of 1/255 of the range can be told apart, so everything that the
    # threshold divides here falls on one side.
    model = threshold_model()
    rng = np.random.default_rng(0)
    fine = 0.5 + 1e-4 * rng.normal(size=(4, 1, 32, 32)).astype(np.float32)
    fine[:, :, :4] = 0
    fine[:, :, -4:] = 1
    with pytest.raises(InaccurateError, match=r"change sides .*choose .*float32"):
        OpenVinoExecutor(model.network, model.card, "int8", list(fine))


@needs_nncf
def test_int8_is_kept_for_later_images_while_it_answers_them_well(
    threshold_model, monkeypatch, tmp_path
) -> None:
    monkeypatch.setenv("UNET_STUDIO_HOME", str(tmp_path))
    model, rng = threshold_model(), np.random.default_rng(0)

    def made(low, high):
        sharp = [(rng.random((1, 32, 32)) > 0.5).astype(np.float32) for _ in "abcd"]
        blocks = [low + (high - low) * block for block in sharp]
        return OpenVinoExecutor(model.network, model.card, "int8", blocks)

    assert "an image before" not in made(0, 1).check
    assert "an image before" in made(0, 1).check
    with pytest.raises(InaccurateError):
        made(0.4999, 0.5001)  # grey values too near to each other for any ranges
    assert "an image before" in made(0, 1).check
    (kept,) = (tmp_path / "kept").iterdir()
    (kept / "network.xml").write_text("damaged", encoding="utf-8")
    assert "an image before" not in made(0, 1).check
    assert "an image before" in made(0, 1).check


@needs_nncf
@pytest.mark.parametrize("shapes", [[], [(1, 32, 32)], [(1, 32, 32), (1, 48, 32)]])
def test_int8_asks_for_two_blocks_of_one_size(tiny_model, shapes) -> None:
    model = tiny_model()
    blocks = [noise(shape) for shape in shapes]
    with pytest.raises(ConfigError, match="at least two blocks of one size"):
        OpenVinoExecutor(model.network, model.card, "int8", blocks)


@needs_nncf
def test_int8_is_silent_and_leaves_logging_as_it_was(tiny_model, capfd) -> None:
    model = tiny_model()
    kind, quiet = logging.getLoggerClass(), rich.get_console().quiet
    calibration = [noise((1, 32, 32), seed) for seed in range(2)]
    with contextlib.suppress(InaccurateError):
        OpenVinoExecutor(model.network, model.card, "int8", calibration)
    assert capfd.readouterr() == ("", "")
    assert logging.getLoggerClass() is kind
    assert rich.get_console().quiet is quiet


@pytest.mark.skipif(
    bool(missing("openvino")) or not missing("nncf"), reason="needs OpenVINO alone"
)
def test_without_nncf_the_message_says_how_to_install_it(tiny_model) -> None:
    model = tiny_model()
    with pytest.raises(ConfigError, match=r"nncf.*pip install .*\[openvino\]"):
        OpenVinoExecutor(model.network, model.card, "int8")

import pytest
import torch
from torch.nn import functional

from napari_unet_studio.core.errors import DeviceError, InputError
from napari_unet_studio.tasks.device import (
    autocast,
    available_devices,
    bfloat16_wins,
    built_for,
    choose_device,
    describe_device,
    enough_memory,
    freed,
    is_out_of_memory,
    memory_format,
    seeded,
)


def test_every_computer_has_a_cpu_and_auto_is_the_first_device() -> None:
    assert available_devices()[-1] == "cpu"
    assert choose_device("auto") == available_devices()[0]
    assert choose_device("cpu") == "cpu"


def test_an_unknown_device_is_refused_with_those_that_are_there() -> None:
    with pytest.raises(DeviceError, match=r"'tpu' is not available; here are .*cpu"):
        choose_device("tpu")


def test_the_cpu_is_described_by_its_threads() -> None:
    threads = torch.get_num_threads()
    try:
        for count, text in ((1, "CPU, 1 thread"), (2, "CPU, 2 threads")):
            torch.set_num_threads(count)
            assert describe_device("cpu") == text
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
    ],
)
def test_lack_of_memory_is_recognised(error) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error", [RuntimeError("expected 3 channels"), ValueError("out of memory")]
)
def test_other_errors_are_no_lack_of_memory(error) -> None:
    assert not is_out_of_memory(error)


def test_lack_of_memory_becomes_a_sentence_and_keeps_its_cause() -> None:
    cause = torch.OutOfMemoryError("CUDA out of memory")
    with (
        pytest.raises(DeviceError, match="too small") as caught,
        enough_memory("too small"),
    ):
        raise cause
    assert caught.value.__cause__ is cause


def test_an_error_that_is_a_sentence_already_is_not_replaced() -> None:
    with pytest.raises(DeviceError, match="ran out of memory"), enough_memory("other"):
        raise DeviceError("The device ran out of memory.")
    with pytest.raises(InputError), enough_memory("other"):
        raise InputError("empty")
    with pytest.raises(RuntimeError, match="shapes"), enough_memory("other"):
        raise RuntimeError("shapes differ")


def test_seeding_is_repeatable_and_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    draws = []
    for _ in range(2):
        with seeded("cpu", 2**40 + 5):
            draws.append(torch.rand(3))
    assert torch.equal(*draws)
    assert torch.equal(before, torch.get_rng_state())


def test_the_race_for_bfloat16_draws_no_random_numbers() -> None:
    before = torch.get_rng_state()
    bfloat16_wins.cache_clear()
    assert bfloat16_wins("cpu") in (True, False)
    assert torch.equal(before, torch.get_rng_state())


def test_an_unmeasured_kind_of_device_computes_in_float32() -> None:
    assert not bfloat16_wins("mps")


def test_float32_is_exact_and_auto_no_worse_than_bfloat16() -> None:
    image, weight = torch.rand(1, 4, 16, 16), torch.rand(4, 4, 3, 3)
    exact = functional.conv2d(image, weight)
    with autocast("cpu", "float32"):
        assert torch.equal(functional.conv2d(image, weight), exact)
    with autocast("cpu", "auto"):
        found = functional.conv2d(image, weight).float()
    assert torch.allclose(found, exact, rtol=0.02)


def test_planes_are_laid_out_channels_last_and_volumes_are_not() -> None:
    assert memory_format("cpu", 2) is torch.channels_last
    assert memory_format("mps", 2) is torch.contiguous_format
    assert memory_format("cpu", 3) is torch.contiguous_format


def test_freeing_lets_errors_through() -> None:
    with pytest.raises(KeyError), freed("cpu"):
        raise KeyError


@pytest.mark.cuda
def test_memory_of_a_gpu_is_given_back() -> None:
    with freed("cuda"):
        torch.zeros(2**24, device="cuda")
    assert torch.cuda.memory_reserved() == 0


@pytest.mark.cuda
def test_float32_on_a_gpu_has_the_precision_of_the_cpu() -> None:
    image, weight = torch.rand(1, 64, 32, 32), torch.rand(64, 64, 3, 3)
    before = torch.backends.cudnn.allow_tf32
    with autocast("cuda", "float32"):
        found = functional.conv2d(image.cuda(), weight.cuda()).cpu()
    assert torch.allclose(found, functional.conv2d(image, weight), rtol=1e-5)
    assert torch.backends.cudnn.allow_tf32 == before


@pytest.mark.skipif(
    not hasattr(torch.backends.cudnn, "conv"), reason="older than torch 2.9"
)
def test_float32_is_exact_too_where_tf32_was_set_in_the_new_way() -> None:
    conv = torch.backends.cudnn.conv
    before = conv.fp32_precision
    try:
        conv.fp32_precision = "ieee"  # now nobody can read allow_tf32
        with autocast("cuda", "float32"):
            assert conv.fp32_precision == "ieee"
        assert conv.fp32_precision == "ieee"
    finally:
        conv.fp32_precision = before


@pytest.mark.parametrize(
    ("capability", "architectures", "expected"),
    [
        ((8, 0), ["sm_80"], True),
        ((8, 6), ["sm_80"], True),  # later minor numbers run the code of earlier ones
        ((8, 0), ["sm_86"], False),
        ((9, 0), ["sm_80", "sm_86"], False),
        ((9, 0), ["sm_80", "compute_80"], True),
        ((7, 5), ["sm_80", "compute_80"], False),
        ((9, 0), ["sm_90a"], True),
        ((9, 1), ["sm_90a"], False),  # the a says: this GPU and no other
        ((10, 3), ["sm_100"], True),
        ((12, 0), ["sm_75", "sm_120"], True),
        ((9, 4), ["gfx942"], True),
        ((8, 0), [], True),
    ],
)
def test_a_gpu_counts_if_torch_has_code_for_it(
    capability, architectures, expected
) -> None:
    assert built_for(capability, architectures) is expected

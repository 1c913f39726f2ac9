import dask.array as da
import numpy as np
import pytest

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.intensity import Normalisation, check_finite

METHODS = {
    "percentile": Normalisation(),
    "zscore": Normalisation("zscore"),
    "fixed": Normalisation("fixed", 10, 60),
}


def normalised(rule, image):
    return rule.apply(image, *rule.fit(image))


@pytest.fixture
def image():
    return np.random.default_rng(0).gamma(2.0, 50.0, (2, 60, 70))


def test_the_two_percentiles_become_0_and_1(image):
    result = normalised(Normalisation(low=5, high=90), image)
    for channel in result:
        np.testing.assert_allclose(np.percentile(channel, (5, 90)), (0, 1), atol=1e-5)
    assert result.min() < 0  # nothing is clipped
    assert result.max() > 1


def test_zscore_gives_mean_0_and_deviation_1(image):
    result = normalised(METHODS["zscore"], image)
    np.testing.assert_allclose(result.mean((1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(result.std((1, 2)), 1, rtol=1e-5)


def test_fixed_grey_values_become_0_and_1_whatever_the_image():
    for values in ([10, 35, 60], [60, 60, 60], [1000, 35, 10]):
        image = np.array([[values]], float)
        result = normalised(METHODS["fixed"], image)
        np.testing.assert_allclose(result, (image - 10) / 50, rtol=1e-6)


@pytest.mark.parametrize("rule", [METHODS["percentile"], METHODS["zscore"]])
def test_normalisation_ignores_gain_and_offset_of_the_camera(rule, image):
    np.testing.assert_allclose(
        normalised(rule, 3.5 * image + 400), normalised(rule, image), atol=1e-5
    )


@pytest.mark.parametrize("rule", METHODS.values(), ids=METHODS)
def test_channels_are_normalised_each_for_itself(rule, image):
    image[1] *= 100
    together = normalised(rule, image)
    for channel in (0, 1):
        alone = normalised(rule, image[channel : channel + 1])
        np.testing.assert_array_equal(together[channel], alone[0])


@pytest.mark.parametrize("rule", [METHODS["percentile"], METHODS["zscore"]])
@pytest.mark.parametrize("value", [0, 7, 0.1, 1e9 + 0.1, -3.3])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_constant_channel_becomes_0_everywhere(rule, value, dtype):
    image = np.full((1, 37, 41), value, dtype)
    assert not normalised(rule, image).any()


def test_a_few_bright_pixels_on_flat_ground_stay_visible():
    image = np.zeros((1, 100, 100))
    image[0, 50, 50] = 8
    result = normalised(METHODS["percentile"], image)
    assert (result.min(), result.max()) == (0, 1)


@pytest.mark.parametrize("dtype", ["int32", "uint32", "int64", "float64"])
@pytest.mark.parametrize("rule", [METHODS["percentile"], METHODS["zscore"]])
def test_small_differences_on_a_large_offset_survive(rule, dtype):
    near_zero = np.random.default_rng(1).integers(0, 50, (1, 40, 40))
    far = (near_zero + 1_000_000_007).astype(dtype)
    np.testing.assert_allclose(
        normalised(rule, far), normalised(rule, near_zero), atol=1e-4
    )


@pytest.mark.parametrize("value", [1e-30, 1e-12, 1e6, 1e30])
def test_the_unit_of_the_grey_values_does_not_matter(value, image):
    np.testing.assert_allclose(
        normalised(METHODS["percentile"], image * value),
        normalised(METHODS["percentile"], image),
        atol=1e-5,
    )


@pytest.mark.parametrize("rule", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int16", "uint16", "int64", "float16", "float32"]
)
def test_any_numeric_image_becomes_float32_and_stays_as_it_was(rule, dtype):
    image = np.random.default_rng(2).integers(0, 100, (1, 20, 20)).astype(dtype)
    before = image.copy()
    result = normalised(rule, image)
    assert result.dtype == np.float32
    assert np.isfinite(result).all()
    np.testing.assert_array_equal(image, before)


def test_a_uint16_image_gives_the_same_as_its_float_copy():
    image = np.random.default_rng(3).integers(0, 65_536, (1, 50, 50))
    whole = normalised(METHODS["percentile"], image.astype("uint16"))
    np.testing.assert_allclose(
        whole, normalised(METHODS["percentile"], image.astype(float)), atol=1e-5
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("rule", [METHODS["percentile"], METHODS["zscore"]])
def test_an_image_with_nan_or_infinity_is_refused_with_a_remedy(rule, bad, image):
    image[0, 3, 4:7] = bad
    with pytest.raises(InputError, match=r"contains 3 NaN.*numpy\.nan_to_num"):
        rule.fit(image)


def test_whole_numbers_are_always_finite():
    assert check_finite(np.array([2**63 - 1])) is None


class Stored:
    """An image on a disk that counts the pixels read at most at once."""

    def __init__(self, array):
        self.array, self.shape, self.most = array, array.shape, 0

    def __getitem__(self, key):
        part = self.array[key]
        self.most = max(self.most, part.size)
        return part


@pytest.mark.parametrize("rule", [METHODS["percentile"], METHODS["zscore"]])
def test_a_large_image_is_measured_on_a_sample_of_its_pixels(rule):
    ramp = np.linspace(0, 200, 3000, dtype=np.float32)
    stored = Stored(np.broadcast_to(ramp[:, None], (1, 3000, 3000)))
    offset, scale = rule.fit(stored)
    assert stored.most <= 4_000_000
    exact = rule.fit(ramp[None])
    np.testing.assert_allclose((offset, scale), exact, rtol=0.01)


def test_a_thin_stack_keeps_its_planes_in_the_sample():
    planes = np.broadcast_to(np.array([0.0, 100.0])[:, None, None], (2, 2500, 2500))
    offset, scale = METHODS["percentile"].fit(planes[None])
    assert (offset[0], scale[0]) == (0, 100)


class Slope:
    """An image of any size that rises along one axis and counts what is read of it."""

    def __init__(self, shape, axis):
        self.shape, self.axis = shape, axis
        self.read, self.parts = 0, 0

    def __getitem__(self, key):
        lengths = [range(n)[part] for n, part in zip(self.shape, key, strict=True)]
        line = np.array(lengths[self.axis]) / self.shape[self.axis]
        line = line.reshape(-1, *(1,) * (len(self.shape) - 1 - self.axis))
        part = np.broadcast_to(line, [len(places) for places in lengths])
        self.read += part.size
        self.parts += 1
        return part


@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((1, 300_000, 400_000), 1),
        ((1, 300_000, 400_000), 2),
        ((2, 5000, 3000, 2000), 1),
        ((1, 700, 50, 8000, 9000), 2),
        ((1, 2_000_000, 32, 32), 1),
    ],
)
def test_of_an_image_of_any_size_few_small_blocks_from_all_over_are_read(shape, axis):
    image = Slope(shape, axis)
    offset, scale = Normalisation(low=25, high=75).fit(image)
    assert image.parts <= 1024
    assert image.read <= 2**22 * shape[0]
    # The lattice has four places along each of these axes at least.
    np.testing.assert_allclose(offset, 0.25, atol=0.13)
    np.testing.assert_allclose(offset + scale, 0.75, atol=0.13)


@pytest.mark.parametrize(
    ("rule", "shape", "chunks"),
    [
        (METHODS["percentile"], (1, 20_000, 20_000), (1, 1500, 4096)),
        (METHODS["zscore"], (2, 30, 3000, 3000), (1, 7, 900, 3000)),
    ],
)
@pytest.mark.slow
def test_a_huge_lazy_image_is_measured_like_one_in_memory(rule, shape, chunks):
    line = np.random.default_rng(4).gamma(2.0, 50.0, shape[-1]).astype(np.float32)
    image = np.broadcast_to(line, shape)
    lazy = da.from_array(image, chunks=chunks, name=False)
    found = rule.fit(image)
    np.testing.assert_array_equal(rule.fit(lazy), found)
    exact = np.reshape(rule.fit(line[None]), (2, 1))
    np.testing.assert_allclose(found, exact.repeat(shape[0], 1), rtol=0.15)


def test_a_lazy_image_is_measured_like_one_in_memory(image):
    lazy = da.from_array(image, chunks=(1, 16, 16))
    for rule in METHODS.values():
        np.testing.assert_array_equal(rule.fit(lazy), rule.fit(image))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (("median", 1, 99), "use percentile, zscore or fixed"),
        (("percentile", 50, 50), "low must be smaller"),
        (("fixed", 9, 3), "low must be smaller"),
        (("fixed", float("nan"), 3), "low must be smaller"),
        (("fixed", 0, float("inf")), "low must be smaller"),
        (("percentile", -1, 99), "choose from 0 to 100"),
        (("percentile", 1, 100.5), "choose from 0 to 100"),
    ],
)
def test_a_rule_that_cannot_work_is_refused(fields, message):
    with pytest.raises(InputError, match=message):
        Normalisation(*fields)


# --- what models of other programs were trained with


def test_eps_is_added_to_the_scale():
    image = np.random.default_rng(0).normal(5, 2, (2, 30, 30))
    for method, plain in (("zscore", (0, 1)), ("percentile", (2, 98))):
        rule = Normalisation(method, *plain)
        offset, scale = rule.fit(image)
        more = Normalisation(method, *plain, eps=0.5).fit(image)
        assert np.array_equal(more[0], offset)
        assert np.allclose(more[1], scale + 0.5)


def test_channels_may_share_their_statistics():
    image = np.random.default_rng(0).normal(5, 2, (2, 30, 30))
    image[1] *= 3
    offset, scale = Normalisation("zscore", joint=True).fit(image)
    assert np.allclose(offset, image.mean())
    assert np.allclose(scale, image.std())
    assert offset.shape == scale.shape == (2,)


def test_each_channel_may_have_values_of_its_own():
    rule = Normalisation("fixed", offsets=(1, 2), scales=(10, -4))
    image = np.array([[11.0, 1.0], [2.0, 6.0]])
    found = rule.apply(image, *rule.fit(image))
    assert found.tolist() == [[1, 0], [0, -1]]
    with pytest.raises(
        InputError, match="has 3 channels, and the normalisation values"
    ):
        rule.fit(np.zeros((3, 4)))


@pytest.mark.parametrize(
    "fields",
    [
        {"eps": -1.0},
        {"eps": float("nan")},
        {"joint": 1},
        {"offsets": (1.0,)},
        {"method": "fixed", "offsets": (1.0,)},
        {"method": "fixed", "offsets": (1.0,), "scales": (0.0,)},
        {"method": "fixed", "offsets": (1.0,), "scales": (float("inf"),)},
        {"method": "fixed", "offsets": "ab", "scales": "cd"},
        {"method": "zscore", "offsets": (1.0,), "scales": (1.0,)},
    ],
    ids=str,
)
def test_values_of_others_that_make_no_sense_are_refused(fields):
    with pytest.raises(InputError):
        Normalisation(**fields)

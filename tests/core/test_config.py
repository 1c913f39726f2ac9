import json
from dataclasses import FrozenInstanceError, dataclass, field, replace
from typing import Annotated, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_unet_studio.core.augment import AugmentConfig
from napari_unet_studio.core.config import Config, field_types
from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.core.instances import ObjectConfig

few = settings(max_examples=60, deadline=None, derandomize=True)


@dataclass(frozen=True)
class Inner(Config):
    width: Annotated[int, {"min": 1, "max": 10_000_000}] = 3


def even(value):
    if len(value) % 2:
        raise ConfigError(f"{value!r} has an odd number of letters.")


@dataclass(frozen=True)
class Outer(Config):
    sigma: Annotated[float, {"min": 0.0, "max": 9.0}, "not an option"] = 1.0
    count: int = 2
    strong: bool = False
    title: str = ""
    mode: Literal["soft", "hard"] = "soft"
    level: Literal[1, 2] = 1
    method: Annotated[str, {"choices": ("a", "b")}] = "a"
    word: Annotated[str, {"suggestions": ("ab", "cd"), "check": even}] = "ab"
    least: Annotated[float, {"min": 0.5}] = 1.0
    most: Annotated[int, {"max": 5}] = 1
    inner: Inner = field(default_factory=Inner)


# --- values


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sigma": -0.001}, r"sigma is -0\.001; choose from 0\.0 to 9\.0"),
        ({"sigma": 9.5}, r"sigma is 9\.5; choose from 0\.0 to 9\.0"),
        ({"sigma": float("nan")}, r"sigma is nan; choose from"),
        ({"sigma": float("inf")}, r"sigma is inf; choose from"),
        ({"least": 0}, r"least is 0\.0; choose 0\.5 or more"),
        ({"most": 6}, r"most is 6; choose 5 or less"),
        ({"mode": "medium"}, "mode is 'medium'; choose one of soft, hard"),
        ({"mode": None}, "choose one of soft, hard"),
        ({"mode": ["soft"]}, "choose one of soft, hard"),
        ({"mode": np.array(["soft", "hard"])}, "choose one of soft, hard"),
        ({"level": 3}, "choose one of 1, 2"),
        ({"level": "1"}, "choose one of 1, 2"),
        ({"word": "abc"}, "'abc' has an odd number of letters"),
        ({"word": 7}, "word is 7, but a value of type str is expected"),
        ({"level": True}, "level is True; choose one of 1, 2"),
        ({"method": "c"}, "method is 'c'; choose one of a, b"),
        ({"sigma": "1"}, "sigma is '1', but a value of type float is expected"),
        ({"sigma": None}, "type float is expected"),
        ({"sigma": True}, "type float is expected"),
        ({"count": 2.5}, "count is 2.5, but a value of type int is expected"),
        ({"count": True}, "type int is expected"),
        ({"strong": 1}, "type bool is expected"),
        ({"strong": "no"}, "type bool is expected"),
        ({"title": 5}, "type str is expected"),
        ({"inner": 5}, "type Inner is expected"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_what_would(fields, message):
    with pytest.raises(ConfigError, match=message):
        Outer(**fields)


def test_a_whole_number_that_no_float_holds_is_refused():
    with pytest.raises(ConfigError, match="sigma is 1000"):
        Outer(sigma=10**400)


def test_a_large_number_is_named_to_the_last_digit():
    with pytest.raises(ConfigError, match="10000001; choose from 1 to 10000000"):
        Inner(width=10_000_001)


@pytest.mark.parametrize("sigma", [0, 0.0, 9, 9.0])
def test_the_limits_themselves_are_allowed_and_whole_numbers_become_floats(sigma):
    found = Outer(sigma=sigma).sigma
    assert found == sigma
    assert type(found) is float


@pytest.mark.parametrize("word", ["cd", "some"])
def test_suggestions_leave_other_values_that_pass_the_check(word):
    assert Outer(word=word).word == word


def test_numbers_of_numpy_become_plain_ones():
    found = Outer(sigma=np.float32(0.5), count=np.int64(7), strong=np.bool_(True))
    assert found == Outer(sigma=0.5, count=7, strong=True)
    assert [type(v) for v in (found.sigma, found.count, found.strong)] == [
        float,
        int,
        bool,
    ]


def test_a_changed_copy_is_checked_too():
    with pytest.raises(ConfigError, match="sigma"):
        replace(Outer(), sigma=-1)
    with pytest.raises(FrozenInstanceError):
        Outer().sigma = -1


# --- dictionaries


def test_a_configuration_survives_json_with_the_one_nested_in_it():
    config = Outer(sigma=2, mode="hard", strong=True, inner=Inner(width=8))
    assert Outer.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_absent_fields_keep_their_defaults():
    assert Outer.from_dict({}) == Outer()
    assert Outer.from_dict({"inner": {}}) == Outer()
    assert Outer.from_dict({"inner": {"width": 9}}).inner == Inner(9)


def test_a_nested_configuration_may_be_given_as_such():
    assert Outer.from_dict({"inner": Inner(9)}).inner == Inner(9)


def test_an_unknown_field_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"Outer has no setting 'sgma'.*sigma, count"):
        Outer.from_dict({"sgma": 1, "also": 2})
    with pytest.raises(ConfigError, match=r"Inner has no setting 'height'"):
        Outer.from_dict({"inner": {"height": 2}})
    with pytest.raises(ConfigError, match=r"no setting 7"):
        Outer.from_dict({7: 2, "also": 1})


def test_a_nested_value_is_checked():
    with pytest.raises(ConfigError, match="width is 0"):
        Outer.from_dict({"inner": {"width": 0}})


@pytest.mark.parametrize("values", [None, 3, "sigma", ["sigma"]])
def test_what_is_no_mapping_is_refused(values):
    with pytest.raises(ConfigError, match="names and values"):
        Outer.from_dict(values)


@few
@given(
    values=st.dictionaries(
        st.sampled_from(["sigma", "count", "mode", "level", "inner", "method", "x"]),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats()
            | st.text(max_size=4),
            lambda inner: (
                st.lists(inner, max_size=2)
                | st.dictionaries(st.text(max_size=5), inner, max_size=2)
            ),
            max_leaves=4,
        ),
    )
)
def test_any_json_gives_a_configuration_or_a_configuration_error(values):
    try:
        found = Outer.from_dict(values)
    except ConfigError:
        return
    assert Outer.from_dict(found.to_dict()) == found


# --- fields for forms and options


def test_fields_come_in_order_with_their_types_and_options():
    types = field_types(Outer)
    assert list(types)[:3] == ["sigma", "count", "strong"]
    assert types["sigma"] == (float, {"min": 0.0, "max": 9.0})
    assert types["mode"] == (Literal["soft", "hard"], {})
    assert types["inner"] == (Inner, {})


@pytest.mark.parametrize("config", [AugmentConfig, ObjectConfig])
def test_every_number_of_a_public_configuration_has_limits_that_bind(config):
    for name, (kind, options) in field_types(config).items():
        if kind in (int, float):
            for bad in (options["min"] - 1, options["max"] + 1):
                with pytest.raises(ConfigError, match=name):
                    config(**{name: kind(bad)})

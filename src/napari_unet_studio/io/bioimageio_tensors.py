"""The image and the answer of a network, as the BioImage Model Zoo describes them.

``zoo`` is the module of the format's classes, which only exporting loads.
"""

from pathlib import Path
from typing import Any

from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.core.networks.spec import NetworkSpec, Shape
from napari_unet_studio.io.bioimageio_names import space_unit
from napari_unet_studio.io.model import ModelCard
from napari_unet_studio.io.model_facts import channel_names


def smallest_input(spec: NetworkSpec) -> Shape:
    """Return the smallest input that a package says it takes.

    It is larger than the context that tiles need, as the format demands.
    """
    if any(spec.trim) or not spec.local:
        return tuple(axis.smallest for axis in spec.axes)
    return tuple(
        axis.smallest
        + max(0, -(-(2 * axis.halo + 1 - axis.smallest) // axis.divisor)) * axis.divisor
        for axis in spec.axes
    )


def describe_input(zoo: Any, test: Path, card: ModelCard) -> Any:
    """Return the description of the image; `test` is the file with one."""
    from bioimageio.spec.common import FileDescr

    spec = card.spec
    least = smallest_input(spec)
    space = [
        zoo.SpaceInputAxis(
            id=zoo.AxisId(name),
            size=zoo.ParameterizedSize(min=least[axis], step=spec.axes[axis].divisor),
            **_pixel(card, axis),
        )
        for axis, name in enumerate("zyx"[-spec.ndim :])
    ]
    channels = [f"channel{number}" for number in range(spec.in_channels)]
    return zoo.InputTensorDescr(
        id=zoo.TensorId("image"),
        description="Grey values as they come from the microscope",
        axes=[zoo.BatchAxis(), zoo.ChannelAxis(channel_names=channels), *space],
        test_tensor=FileDescr(source=test),
        data=zoo.IntervalOrRatioDataDescr(type="float32"),
        preprocessing=_preprocessing(zoo, card.normalisation, spec.ndim),
    )


def describe_output(zoo: Any, test: Path, card: ModelCard, answer: str) -> Any:
    """Return the description of the answer; `test` is the file with one."""
    from bioimageio.spec.common import FileDescr

    spec = card.spec
    space = []
    for axis, name in enumerate("zyx"[-spec.ndim :]):
        size = zoo.SizeReference(
            tensor_id=zoo.TensorId("image"),
            axis_id=zoo.AxisId(name),
            offset=-2 * spec.trim[axis],
        )
        common = {"id": zoo.AxisId(name), "size": size, **_pixel(card, axis)}
        if spec.local and not any(spec.trim) and spec.halo[axis]:
            side = spec.halo[axis]
            space.append(zoo.SpaceOutputAxisWithHalo(halo=side, **common))
        else:
            space.append(zoo.SpaceOutputAxis(**common))
    names = channel_names(card)
    single = len(names) == 1
    after = []
    if answer == "probabilities":
        softmax = zoo.SoftmaxKwargs(axis=zoo.AxisId("channel"))
        after = [
            zoo.SigmoidDescr() if single else zoo.SoftmaxDescr(kwargs=softmax),
            _single_precision(zoo),
        ]
    limits = {"range": (0.0, 1.0)} if after else {}
    return zoo.OutputTensorDescr(
        id=zoo.TensorId(answer),
        description=f"{answer.capitalize()}: {', '.join(names)}"[:128],
        axes=[zoo.BatchAxis(), zoo.ChannelAxis(channel_names=names), *space],
        test_tensor=FileDescr(source=test),
        data=zoo.IntervalOrRatioDataDescr(type="float32", **limits),
        postprocessing=after,
    )


def _preprocessing(zoo: Any, rule: Normalisation, ndim: int) -> list[Any]:
    """Return a normalisation as the standard's operations."""
    axes = [zoo.AxisId(name) for name in "zyx"[-ndim:]]
    if rule.joint:
        axes.insert(0, zoo.AxisId("channel"))
    common = {"axes": axes, **({"eps": rule.eps} if rule.eps else {})}
    even = _single_precision(zoo)
    if rule.method == "percentile":
        kwargs = zoo.ScaleRangeKwargs(
            min_percentile=rule.low, max_percentile=rule.high, **common
        )
        return [even, zoo.ScaleRangeDescr(kwargs=kwargs), even]
    if rule.method == "zscore":
        kwargs = zoo.ZeroMeanUnitVarianceKwargs(**common)
        return [even, zoo.ZeroMeanUnitVarianceDescr(kwargs=kwargs), even]
    offsets = rule.offsets or (rule.low,)
    scales = rule.scales or (rule.high - rule.low,)
    if set(offsets) == {0} and set(scales) == {1}:
        return [even]  # the format wants no step that does nothing
    gain = [1 / scale for scale in scales]
    offset = [-o / scale for o, scale in zip(offsets, scales, strict=True)]
    if rule.offsets:
        kwargs = zoo.ScaleLinearAlongAxisKwargs(
            axis=zoo.AxisId("channel"), gain=gain, offset=offset
        )
    else:
        kwargs = zoo.ScaleLinearKwargs(gain=gain[0], offset=offset[0])
    return [even, zoo.ScaleLinearDescr(kwargs=kwargs), even]


def _single_precision(zoo: Any) -> Any:
    return zoo.EnsureDtypeDescr(kwargs=zoo.EnsureDtypeKwargs(dtype="float32"))


def _pixel(card: ModelCard, axis: int) -> dict[str, Any]:
    """Return the pixel size along an axis, if it is known in a unit of the standard."""
    unit = space_unit(card.unit)
    if card.spacing is None or unit is None:
        return {}
    return {"unit": unit, "scale": card.spacing[axis]}

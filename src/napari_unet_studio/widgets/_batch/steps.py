"""What a batch did, for the session of the window."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from napari.layers import Layer

from napari_unet_studio.layers import Source
from napari_unet_studio.widgets._batch.code import as_python
from napari_unet_studio.widgets._batch.plan import Plan
from napari_unet_studio.widgets._segment.code import predict_code
from napari_unet_studio.widgets._session import record

if TYPE_CHECKING:
    from napari_unet_studio.tasks.predict import Prediction


def record_layer(
    dock: Any,
    plan: Plan,
    layer: Layer,
    source: Source,
    prediction: "Prediction",
    made: Sequence[Layer],
) -> None:
    """Record the result of a layer: each has a step of its own, to be replaced alone.

    Parameters
    ----------
    dock
        The dock.
    plan
        The run.
    layer, source
        The image, and how it was read.
    prediction, made
        The result, and its layers.
    """
    code = predict_code(
        [layer.name],
        source,
        source.letters,
        plan.reference,
        prediction.config,
        prediction.objects,
    )
    what = f"Batch {source.title} [{plan.card.name}]"
    record(dock, what, code, [layer], made, model=plan.reference)


def record_files(dock: Any, plan: Plan) -> None:
    """Record a batch whose results are files."""
    layers = [entry.layer() for entry in plan.entries if entry.layer is not None]
    if all(layer is not None for layer in layers):
        record(dock, "Batch", as_python(plan), layers, model=plan.reference)

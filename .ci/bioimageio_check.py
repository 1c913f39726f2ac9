"""Test packages with bioimageio.core, and compare its predictions with ours."""

import sys
from pathlib import Path

import numpy as np
from bioimageio.core import create_prediction_pipeline, load_description, test_model
from bioimageio.core.digest_spec import create_sample_for_model

FORMATS = ("pytorch_state_dict", "torchscript", "onnx")
TOLERANCE = 1e-4


def difference(path: Path, weights: str) -> float:
    """Return how far the probabilities of a package are from ours."""
    found = np.load(path.with_suffix(".npz"))
    model = load_description(path)
    image = found["image"][np.newaxis].astype(np.float32)
    sample = create_sample_for_model(model, inputs={"image": image})
    with create_prediction_pipeline(model, weight_format=weights) as pipeline:
        output = pipeline.predict_sample_without_blocking(
            sample, skip_input_padding=True, skip_output_cropping=True
        )
    (answer,) = output.members.values()
    return float(np.abs(np.asarray(answer.data.data)[0] - found["answer"]).max())


def main() -> int:
    """Check all packages of a folder; returns the number of failures."""
    failures = 0
    for path in sorted(Path(sys.argv[1]).glob("*.zip")):
        for weights in FORMATS:
            summary = test_model(path, weight_format=weights)
            passed = summary.status == "passed"
            far = difference(path, weights) if passed else np.inf
            if not passed or far > TOLERANCE:
                failures += 1
                sys.stdout.write(f"{summary.display() or ''}\n")
            sys.stdout.write(
                f"{path.stem}, {weights}: {summary.status}, differs by {far:.1e}\n"
            )
    return failures


sys.exit(min(main(), 1))

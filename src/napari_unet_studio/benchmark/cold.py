"""How long a first call takes in a fresh process."""

import json
import subprocess
import sys
from typing import Any

from napari_unet_studio.core.errors import StorageError

_PROGRAM = """
import json, time
import numpy as np
image = np.zeros({shape}, np.int32)
image.flat[0], image.flat[-1] = 1, 2
begin = time.perf_counter()
{imports}
imported = time.perf_counter()
{call}
first = time.perf_counter()
{call}
second = time.perf_counter()
times = (imported - begin, first - imported, second - first)
print(json.dumps([round(1000 * t, 2) for t in times]))
"""


def cold_start(imports: str, call: str, shape: tuple[int, ...]) -> dict[str, Any]:
    """Time an import, a first and a second call in a fresh process.

    Parameters
    ----------
    imports
        Statement that imports the function.
    call
        Statement that calls it with ``image``, labels of two objects.
    shape
        Shape of the image.

    Notes
    -----
    The process is started twice and the second one counts: kernels that an installation
    compiles once are on disk then, if numba finds a place to keep them.
    """
    program = _PROGRAM.format(shape=shape, imports=imports, call=call)
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", program],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:]
            raise StorageError(
                f"A fresh {sys.executable} cannot be measured: {' '.join(last)}."
            )
    imported, first, second = json.loads(done.stdout)
    return {
        "shape": list(shape),
        "import_ms": imported,
        "first_ms": first,
        "second_ms": second,
    }

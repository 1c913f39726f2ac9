"""Runs the Python of README.md in an empty folder, with the installed package."""

import os
import re
import sys
import tempfile
from pathlib import Path

README = Path(__file__).resolve().parents[1] / "README.md"


def main() -> None:
    """Run it, and check what it wrote."""
    (code,) = re.findall(
        r"^```python\n(.*?)^```", README.read_text("utf-8"), re.M | re.S
    )
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        exec(compile(code, str(README), "exec"), {"__name__": "__main__"})
        written = sorted(path.name for path in Path().iterdir())
        os.chdir(README.parent)
    if written != ["cells.pt", "cells.unet", "objects.csv"]:
        sys.exit(f"The Python of README.md wrote {written}.")


if __name__ == "__main__":
    main()

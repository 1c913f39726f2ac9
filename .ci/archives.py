"""Checks what a wheel and a source archive hold: .ci/archives.py FOLDER."""

import stat
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "napari_unet_studio"
FILES = ("icon.svg", "models/nuclei.unet", "models/stained-nuclei.unet", "py.typed")


def check_wheel(path: Path) -> None:
    """Check that a wheel holds the package, all of it, and nothing else."""
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
        manifest = wheel.read(f"{PACKAGE}/napari.yaml")
        assert manifest == (ROOT / "napari.yaml").read_bytes(), "another manifest"
        assert names >= {f"{PACKAGE}/{name}" for name in FILES}, "a file is missing"
        tops = {name.partition("/")[0].partition("-")[0] for name in names}
        assert tops == {PACKAGE}, f"a wheel installs only {PACKAGE}, not {tops}"
        modes = [info.external_attr >> 16 for info in wheel.infolist()]
        assert not any(stat.S_ISLNK(mode) for mode in modes), "a link"
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        text = wheel.read(metadata).decode()
        assert "Description-Content-Type: text/markdown" in text
        assert (ROOT / "README.md").read_text("utf-8") in text, "another README"


def check_sdist(path: Path) -> None:
    """Check that a source archive holds what a wheel is built from."""
    with tarfile.open(path) as sdist:
        members = {member.name.partition("/")[2]: member for member in sdist}
    wanted = {"napari.yaml", "LICENSE", "README.md", "docs/CITATION.cff"}
    assert set(members) >= wanted | {f"src/{PACKAGE}/{name}" for name in FILES}
    assert not any(member.issym() for member in members.values()), "a link"
    large = sum(member.size for member in members.values()) / 1e6
    assert large < 60, f"{large:.0f} MB are too many"


def main() -> None:
    """Check the two archives of a folder, and tell their sizes."""
    (folder,) = sys.argv[1:]
    (wheel,) = Path(folder).glob("*.whl")
    (sdist,) = Path(folder).glob("*.tar.gz")
    check_wheel(wheel)
    check_sdist(sdist)
    for path in (wheel, sdist):
        sys.stdout.write(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB, complete\n")


if __name__ == "__main__":
    main()

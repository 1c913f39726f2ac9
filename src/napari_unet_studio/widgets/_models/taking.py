"""Taking a file in: what it is, what has to be asked, and the work itself."""

import zipfile
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_unet_studio.core import shell
from napari_unet_studio.io.model_file import SUFFIX
from napari_unet_studio.tasks.progress import Progress, ShouldStop

if TYPE_CHECKING:  # loads torch
    from napari_unet_studio.core.networks.spec import NetworkSpec
    from napari_unet_studio.tasks.importing import ImportedModel

MODEL, PACKAGE, STATE, PROGRAM, NETWORK = "model", "package", "state", "program", "onnx"
FILTER = (
    f"All models (*{SUFFIX} *.zip *.yaml *.yml *.onnx *.pt *.pth *.safetensors)"
    f";;U-Net Studio (*{SUFFIX});;bioimage.io packages (*.zip *.yaml *.yml)"
    ";;ONNX (*.onnx);;PyTorch (*.pt *.pth *.safetensors);;All files (*)"
)
_KINDS = {
    SUFFIX: MODEL,
    ".zip": PACKAGE,
    ".yaml": PACKAGE,
    ".yml": PACKAGE,
    ".onnx": NETWORK,
    ".safetensors": STATE,
}
ABOUT = {
    MODEL: "A model of U-Net Studio.",
    PACKAGE: "A bioimage.io package.",
    STATE: "Weights alone: choose the network that they belong to.",
    PROGRAM: "A TorchScript program.",
    NETWORK: "An ONNX network.",
}


def kind_of_file(path: Path) -> str:
    """Return what a file seems to be, by its name and, of PyTorch's, its contents.

    Examples
    --------
    >>> kind_of_file(Path("cells.unet")), kind_of_file(Path("cells.pth"))
    ('model', 'state')
    """
    if path.suffix.lower() in _KINDS:
        return _KINDS[path.suffix.lower()]
    if path.is_dir():
        return PACKAGE
    names: list[str] = []
    with suppress(Exception), zipfile.ZipFile(path) as archive:
        names = archive.namelist()  # older files of PyTorch are no zips
    return PROGRAM if any("/code/" in name for name in names) else STATE


@dataclass(frozen=True)
class Wanted:
    """What the user wants to be taken in.

    Parameters
    ----------
    path
        The file.
    name
        Of the model; its own if empty.
    network
        Name of the network of a state dict.
    in_channels, num_classes
        Of that network.
    trust
        Whether a program in it may run.
    """

    path: Path
    name: str = ""
    network: str | None = None
    in_channels: int = 1
    num_classes: int = 1
    trust: bool = False

    def spec(self) -> "NetworkSpec | None":
        """Return the network of a state dict.

        Raises
        ------
        ConfigError
            If there is none of these channels and classes.
        """
        if self.network is None:
            return None
        from napari_unet_studio.core.networks.catalog import get_spec

        return get_spec(
            self.network, in_channels=self.in_channels, num_classes=self.num_classes
        )

    def python(self) -> str:
        """Return code that does the same."""
        words = [repr(str(self.path))]
        head = "import napari_unet_studio as us\n"
        if self.network is not None:
            words.append(f"network={self._network()}")
            if not self._plain:
                head += (
                    "from napari_unet_studio.core.networks.catalog import get_spec\n"
                )
        words += ["trust=True"] if self.trust else []
        words += [f"name={self.name!r}"] if self.name else []
        return (
            f"{head}\nmodel = us.import_model({', '.join(words)})\n"
            'print(model.card.notes)\nmodel.save(f"{model.name}.unet")\n'
        )

    def shell(self) -> str:
        """Return a command that does the same, if there is one."""
        if not self._plain:
            return (
                "# The command takes the networks of the catalog with their own "
                "channels and outputs:\n# copy this as Python.\n"
            )
        words = ["unet-studio", "models", "add", str(self.path)]
        words += ["--name", self.name] if self.name else []
        if self.network is not None:
            words += ["--network", self.network]
        return shell.line([*words, *["--trust"] * self.trust]) + "\n"

    @property
    def _plain(self) -> bool:
        """Whether the network is one of the catalog as it is."""
        from napari_unet_studio.core.networks.catalog import NETWORKS

        return self.network is None or self.spec() == NETWORKS[self.network]

    def _network(self) -> str:
        if self._plain:
            return repr(self.network)
        return (
            f"get_spec({self.network!r}, in_channels={self.in_channels}, "
            f"num_classes={self.num_classes})"
        )

    def task(
        self, should_stop: ShouldStop
    ) -> Generator[Progress, None, "tuple[Path, ImportedModel] | None"]:
        """Read the file and keep its model; None if stopped."""
        from napari_unet_studio.io.library import add_model
        from napari_unet_studio.tasks.importing import import_file

        running = import_file(
            self.path, trust=self.trust, network=self.spec(), name=self.name or None
        )
        while True:
            try:
                step = next(running)
            except StopIteration as end:
                found = end.value
                break
            yield step
            if should_stop():
                running.close()
                return None
        # A file of ours is copied as it is, in its precision.
        made = self.path if kind_of_file(self.path) == MODEL else found.model
        return add_model(made, self.name or None), found

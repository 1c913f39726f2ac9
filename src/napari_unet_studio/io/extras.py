"""Packages that not everybody needs."""

from importlib import import_module
from types import ModuleType

from napari_unet_studio.core.errors import ConfigError


def require(module: str, extra: str) -> ModuleType:
    """Import a module, or say how to install it.

    Parameters
    ----------
    module
        Its name.
    extra
        The extra of this package that brings it.

    Raises
    ------
    ConfigError
        If it is not installed.

    Examples
    --------
    >>> require("math", "none").pi > 3
    True
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"This needs the package {module}, which is not installed; install it with "
            f"pip install 'napari-unet-studio[{extra}]'."
        ) from error

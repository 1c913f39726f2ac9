"""The exceptions of this package: every message is a sentence meant for the user.

A message names the value found, what was expected and what to do about it. The
widgets show it as a notification, the command line as one line with exit code 2.
"""


class StudioError(Exception):
    """Base of all errors that the user can understand and mend."""


class InputError(StudioError, ValueError):
    """An image, a labels array or a pair of them cannot be used as it is."""


class ConfigError(StudioError, ValueError):
    """A setting is out of its range or contradicts another one."""


class ModelFileError(StudioError, ValueError):
    """A model file is broken, foreign, too new or does not fit the image."""


class StorageError(StudioError, OSError):
    """A file cannot be read or written: missing, forbidden, or no space left."""


class DeviceError(StudioError, RuntimeError):
    """A compute device is absent or ran out of memory."""

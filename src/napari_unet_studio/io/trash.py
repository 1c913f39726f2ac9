"""Putting files into the system's trash, from where they can be taken back."""

from pathlib import Path

from napari_unet_studio.core.errors import StorageError


def to_trash(path: str | Path) -> None:
    """Move a file into the system's trash.

    Raises
    ------
    StorageError
        If there is no such file, or no trash for its disk; then the file stays.
    """
    path = Path(path)
    if not path.exists():
        raise StorageError(f"{path} is not there any more.")
    try:
        from send2trash import send2trash  # type: ignore[import-untyped]

        send2trash(str(path.absolute()))
    except Exception as error:  # each desktop has its own
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise StorageError(
            f"{path} could not be moved to the trash: {str(reason).rstrip('.')}. It is "
            "still there; delete it with the file manager."
        ) from error

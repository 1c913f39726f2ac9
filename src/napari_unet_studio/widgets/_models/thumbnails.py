"""The small pictures inside model files, read without their weights."""

from pathlib import Path

from qtpy.QtCore import QBuffer, QByteArray, QIODevice, QRect, QSize, Qt
from qtpy.QtGui import QImageReader, QPixmap

from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.io.archive import Archive
from napari_unet_studio.io.model_file import SUFFIX

_NAME = "thumbnail.png"
_LARGEST = 4096**2  # pixels


def picture_of(path: Path | None, side: int) -> QPixmap:
    """Return the middle of a model's picture as a square; none is a null pixmap.

    Parameters
    ----------
    path
        The model file.
    side
        Of the square, in pixels.
    """
    if path is None or path.suffix.lower() != SUFFIX:
        return QPixmap()
    try:
        with Archive(path, "model file") as archive:
            data = archive.read(_NAME) if _NAME in archive else b""
    except StudioError:  # said where the card is shown
        return QPixmap()
    if not data:
        return QPixmap()
    buffer = QBuffer()
    buffer.setData(QByteArray(data))
    buffer.open(QIODevice.OpenModeFlag.ReadOnly)
    reader = QImageReader(buffer, QByteArray(b"png"))
    size = reader.size()  # before anything is unpacked
    width, height = size.width(), size.height()
    if min(width, height) < 1 or width * height > _LARGEST:
        return QPixmap()
    edge = min(width, height)
    middle = QRect((width - edge) // 2, (height - edge) // 2, edge, edge)
    picture = QPixmap.fromImage(reader.read().copy(middle))
    if picture.isNull():
        return picture
    smooth = Qt.TransformationMode.SmoothTransformation
    whole = Qt.AspectRatioMode.IgnoreAspectRatio
    return picture.scaled(QSize(side, side), whole, smooth)

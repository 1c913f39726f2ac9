"""The models at hand and on the web."""

from collections.abc import Callable

from napari_unet_studio.io.model import Model
from napari_unet_studio.io.model_entries import ModelEntry, list_models, with_listed
from napari_unet_studio.io.model_list import listed_models
from napari_unet_studio.io.registry import load_model
from napari_unet_studio.tasks.download import download_model as download_task
from napari_unet_studio.tasks.download import fetch_lists
from napari_unet_studio.tasks.progress import Progress, run


def models(refresh: bool = False) -> list[ModelEntry]:
    """Return the models at hand, and those that can be downloaded.

    Parameters
    ----------
    refresh
        Ask for the lists of models on the web anew; without a network they are as they
        were last.

    Returns
    -------
    list of ModelEntry
        Each with its name, path, source and card. Bundled models first, then yours,
        then files that were opened lately, then what the lists of the settings name and
        is not here yet.

    Examples
    --------
    >>> entry = models()[0]
    >>> entry.name, entry.source, entry.card.axes
    ('nuclei', 'bundled', 'YX')
    """
    if refresh:
        fetched = run(fetch_lists())
        assert fetched is not None  # nobody stopped it
        listed = fetched.models
    else:
        listed = tuple(listed_models())
    return with_listed(list_models(), listed)


def download_model(
    url_or_name: str,
    sha256: str | None = None,
    *,
    name: str | None = None,
    callback: Callable[[Progress], object] | None = None,
) -> Model:
    """Download a model into your models folder, and load it.

    A model that was downloaded before is loaded without a network.

    Parameters
    ----------
    url_or_name
        Name of a model in the lists of the settings; or the address of a ``.unet`` file
        or of a bioimage.io package.
    sha256
        Digest that the file must have; lists tell it.
    name
        What the model is called; by default as the list or the file says.
    callback
        Called with a progress record as the file comes; steps are kilobytes.

    Returns
    -------
    Model
        ``model.card.origin`` says where it comes from.

    Raises
    ------
    StudioError
        If there is no such model, no network, or the file cannot be used. What has come
        of it is gone on from the next time.

    Examples
    --------
    >>> download_model("https://example.org/cells.unet")  # doctest: +SKIP
    <Model 'cells': unet, YX>
    """
    task = download_task(url_or_name, sha256=sha256 or "", name=name)
    path = run(task, callback)
    assert path is not None  # nobody stopped it
    return load_model(path)

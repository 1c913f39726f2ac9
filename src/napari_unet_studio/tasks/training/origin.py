"""What a training begins with: a new network, or the one of a trained model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.core.networks.catalog import NETWORKS, build, get_spec
from napari_unet_studio.core.networks.foreign import check_drawn
from napari_unet_studio.core.networks.network import Network, digest
from napari_unet_studio.core.networks.spec import NetworkSpec
from napari_unet_studio.io.model import Model
from napari_unet_studio.io.registry import load_model
from napari_unet_studio.tasks.device import seeded
from napari_unet_studio.tasks.train_config import TrainConfig, chosen_network


@dataclass(frozen=True, eq=False)
class Origin:
    """Where the weights of a training come from.

    Parameters
    ----------
    config
        Of the training.
    model
        The model that it goes on from; None for a new network.
    """

    config: TrainConfig
    model: Model | None = None

    @property
    def ndim(self) -> int:
        """Axes of the frames that the network takes."""
        if self.model is not None:
            return self.model.card.spec.ndim
        return NETWORKS[self.config.network].ndim

    @property
    def normalisation(self) -> Normalisation:
        """How grey values become input: what the network knows, if it knows any."""
        return Normalisation() if self.model is None else self.model.card.normalisation

    def spec(
        self,
        in_channels: int,
        values: Sequence[int],
        spacing: tuple[float, ...] | None,
    ) -> NetworkSpec:
        """Return the network of the training.

        Parameters
        ----------
        in_channels
            Of the images.
        values
            Label of each class.
        spacing
            Pixel size, if all images have one.

        Raises
        ------
        ConfigError
            If the model to go on from takes other images, or answers otherwise.
        """
        config = self.config
        classes = 1 if config.target == "objects" else len(values)
        if self.model is None:
            spec = chosen_network(config, spacing)
            return get_spec(spec, in_channels=in_channels, num_classes=classes)
        card = self.model.card
        if card.spec.in_channels != in_channels:
            raise ConfigError(
                f"The model {card.name!r} to start from takes images of "
                f"{card.spec.in_channels} channel{'s' * (card.spec.in_channels > 1)}, "
                f"and these have {in_channels}; choose another model, or none."
            )
        if card.target == config.target == "objects":
            return card.spec
        if card.target == config.target and card.class_values == tuple(values):
            return card.spec
        return replace(card.spec, num_classes=classes)

    def network(self, spec: NetworkSpec) -> tuple[Network, list[str]]:
        """Return the network of a spec with the weights to begin with, and notes."""
        with seeded("cpu", self.config.seed):
            network = build(spec)
        if self.model is None:
            return network, []
        known = self.model.network.state_dict()
        if spec == self.model.card.spec:
            network.load_state_dict(known)
            return network, []
        fresh = network.state_dict()
        fitting = {
            name: known[name] if known[name].shape == like.shape else like
            for name, like in fresh.items()
        }
        network.load_state_dict(fitting)
        return network, [
            f"The classes are not those of {self.model.name!r}: its last layer was "
            "begun anew, all others go on."
        ]

    def about(self) -> dict[str, Any]:
        """Return what the card of the new model says about it."""
        if self.model is None:
            return {}
        card = self.model.card
        word = digest(self.model.network, "")
        return {"start": {"name": card.name, "weights": word}}


def origin_of(config: TrainConfig) -> Origin:
    """Return what a training with these settings begins with.

    Raises
    ------
    StorageError, ModelFileError
        If the model to start from cannot be loaded.
    ConfigError
        If its network is a foreign one.
    """
    if not config.start:
        return Origin(config)
    model = load_model(config.start)
    check_drawn(model.card.spec, "cannot be trained further")
    return Origin(config, model)

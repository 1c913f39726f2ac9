"""MONAI's BasicUNet, trained on the batches that this package would train on."""

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_

from napari_unet_studio.benchmark.nuclei_network import (
    FEATURES,
    basic_unet,
    read_weights,
    write_weights,
)
from napari_unet_studio.core.errors import ConfigError, ModelFileError
from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.io.atomic import atomic_write
from napari_unet_studio.tasks.memory import kept_buffers
from napari_unet_studio.tasks.progress import Clock, run
from napari_unet_studio.tasks.train_config import AUTOMATIC_PATCH, TrainConfig
from napari_unet_studio.tasks.training.dataset import prepare
from napari_unet_studio.tasks.training.items import Item, KeptTruth
from napari_unet_studio.tasks.training.origin import origin_of
from napari_unet_studio.tasks.training.pairs import Pair, channels_of, check_pairs
from napari_unet_studio.tasks.training.patches import PatchSource
from napari_unet_studio.tasks.training.schedule import rate
from napari_unet_studio.tasks.training.survey import survey

CLIP, DECAY = 1.0, 1e-4  # as this package trains
EVERY = 500  # updates between two states on disk
REPORT = 100  # updates between two lines


def trained_peer(
    path: Path, pairs: list[Pair], config: TrainConfig
) -> Generator[str, None, nn.Module]:
    """Return the network with the weights of a file, or train it and write the file.

    Parameters
    ----------
    path
        Of its weights (safetensors). Beside it lies the state of a training under way.
    pairs
        Images with labels to train on; of no meaning if the file is there.
    config
        See :func:`train_peer`.
    """
    if path.exists():
        return read_weights(path)
    source = yield from plain_source(pairs, config)
    state = path.with_name(f"{path.name}.state")
    network = yield from train_peer(source, config, state)
    write_weights(network, path, _facts(source, config))
    state.unlink(missing_ok=True)
    return network


def plain_source(
    pairs: list[Pair], config: TrainConfig
) -> Generator[str, None, PatchSource]:
    """Return the patches of a training of this package, masks as they were painted.

    Batch for batch these are the images that `config` would train on if nothing were
    held out, deformed alike. Only the target differs: neither are gaps carved into it
    nor do pixels have weights, because MONAI's users know neither.

    Parameters
    ----------
    pairs
        Images with labels.
    config
        Of that training.
    """
    config = replace(
        config,
        hold_out=0.0,
        weights=replace(config.weights, preset="none", balance="none"),
    )
    used, origin = check_pairs(pairs), origin_of(config)
    spec = origin.spec(channels_of(used, origin.ndim), (0, 1), None)
    spacings = {pair.spacing and pair.spacing[-origin.ndim :] for pair in used}
    yield f"{len(used)} images to train on"
    surveys = run(survey(used, config))
    dataset = run(prepare(used, surveys, spec, Normalisation(), config, (0, 1)))
    return PatchSource(
        [_plain(item) for item in dataset.train],
        spec,
        config.patch or AUTOMATIC_PATCH[2],
        config.batch,
        config.augment,
        spacings.pop() if len(spacings) == 1 else None,
        config.seed,
    )


def _plain(item: Item) -> Item:
    """Return a frame whose target is where its objects are, touching or not."""
    mask = (item.truth.ids(item.whole) > 0).astype(np.int16)
    return replace(item, truth=KeptTruth(mask, mask))


def train_peer(
    source: PatchSource, config: TrainConfig, state: Path
) -> Generator[str, None, nn.Module]:
    """Train MONAI's network with its loss; yields what is done.

    Optimiser, schedule and clipping of gradients are those of this package. The last
    weights are returned: nothing is held out, and no scores choose among them.

    Parameters
    ----------
    source
        Of the batches.
    config
        Its number of updates, learning rate, schedule and seed are used.
    state
        Where the state is kept every 500 updates; if it is there, the training goes on
        from it.

    Raises
    ------
    ConfigError
        If the training has no fixed number of updates.
    ModelFileError
        If the state is that of another training.
    """
    from monai.losses.dice import DiceCELoss

    if not config.updates:
        raise ConfigError("The peer needs a number of updates; 0 is none.")
    network = basic_unet(source.spec.in_channels, config.seed).train()
    parameters = list(network.parameters())
    optimiser = torch.optim.AdamW(parameters, weight_decay=DECAY, fused=True)
    loss_of = DiceCELoss(sigmoid=True)
    facts = _facts(source, config)
    done = _resume(state, network, optimiser, facts)
    clock, first, losses = Clock(), done, []
    with kept_buffers():
        for step in range(done, config.updates):
            share = step / config.updates
            for group in optimiser.param_groups:
                group["lr"] = config.learning_rate * rate(share, config.schedule)
            batch = source(step, "cpu")
            optimiser.zero_grad(set_to_none=True)
            loss = loss_of(network(batch.images), batch.target[:, None].float())
            loss.backward()
            clip_grad_norm_(parameters, CLIP)
            optimiser.step()
            losses.append(loss.item())
            now = step + 1
            if now % REPORT == 0 or now in (10, config.updates):
                each = clock.seconds / (now - first)
                left = each * (config.updates - now) / 60
                yield (
                    f"MONAI BasicUNet: update {now} of {config.updates}, loss "
                    f"{np.mean(losses):.4f}, {each:.2f} s each, {left:.0f} min left"
                )
                losses.clear()
            if now % EVERY == 0 and now < config.updates:
                _keep(state, now, network, optimiser, facts)
    return network.eval()


def _facts(source: PatchSource, config: TrainConfig) -> dict[str, Any]:
    """Return what tells one training from another."""
    foreground = sum(int(item.truth.ids(item.whole).sum()) for item in source.items)
    return {
        "images": len(source.items),
        "foreground": foreground,
        "updates": config.updates,
        "patch": source.patch,
        "batch": source.batch,
        "learning_rate": config.learning_rate,
        "schedule": config.schedule,
        "augment": config.to_dict()["augment"],
        "seed": config.seed,
        "features": list(FEATURES),
    }


def _keep(
    path: Path, step: int, network: nn.Module, optimiser: Any, facts: dict[str, Any]
) -> None:
    state = {
        "step": step,
        "facts": facts,
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
    }
    with atomic_write(path) as file:
        torch.save(state, file)


def _resume(
    path: Path, network: nn.Module, optimiser: Any, facts: dict[str, Any]
) -> int:
    """Load the state, if there is one; return the updates done."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    if state["facts"] != facts:
        raise ModelFileError(
            f"{path} is the state of another training; remove it, or give the images "
            "and settings that it was made with."
        )
    network.load_state_dict(state["network"])
    optimiser.load_state_dict(state["optimiser"])
    return int(state["step"])

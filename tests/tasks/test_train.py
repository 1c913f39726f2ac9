import gc
import json
import math
import re
import weakref
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from napari_unet_studio.core.augment import AugmentConfig
from napari_unet_studio.core.errors import (
    ConfigError,
    DeviceError,
    InputError,
    ModelFileError,
    StorageError,
    StudioError,
)
from napari_unet_studio.core.losses import LOSSES
from napari_unet_studio.core.networks.catalog import build
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.core.networks.unet3p import UNet3PlusSpec
from napari_unet_studio.core.networks.unetpp import UNetPlusPlusSpec
from napari_unet_studio.io.archive import write_archive
from napari_unet_studio.io.checkpoint import load_checkpoint, save_checkpoint
from napari_unet_studio.io.model import ModelCard
from napari_unet_studio.io.model_file import load_model_file
from napari_unet_studio.tasks.device import seeded
from napari_unet_studio.tasks.predict import PredictConfig, predict
from napari_unet_studio.tasks.progress import (
    Prepared,
    Progress,
    TrainProgress,
    never,
    run,
)
from napari_unet_studio.tasks.train import train
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training import precision as precisions
from napari_unet_studio.tasks.training.course import Course
from napari_unet_studio.tasks.training.dataset import prepare
from napari_unet_studio.tasks.training.judging import Judge, collapsed, selection_score
from napari_unet_studio.tasks.training.learner import Learner
from napari_unet_studio.tasks.training.pairs import Pair, check_pairs
from napari_unet_studio.tasks.training.patches import PatchSource
from napari_unet_studio.tasks.training.rounds import THRESHOLDS, Rounds
from napari_unet_studio.tasks.training.survey import class_values, survey
from napari_unet_studio.tasks.training.team import Alone

STILL = AugmentConfig(False, False, 0, 0, 3, 0, 0, 0, 0)
QUICK = TrainConfig(
    updates=2, patch=32, batch=1, device="cpu", precision="float32", hold_out=0
)
TINY = UNetSpec(channels=(4, 8, 16), norm="batch")


class Course_:
    """A training of a network that is too small for the catalog."""

    def __init__(self, pairs, config=QUICK, spec=TINY):
        used = check_pairs(pairs)
        surveys = run(survey(used, config))
        values = class_values(surveys, config)
        classes = 1 if config.target == "objects" else len(values)
        self.config = config
        self.card = ModelCard(
            name="tiny",
            spec=replace(spec, num_classes=classes),
            target=config.target,
            class_values=values,
        )
        spec = self.card.spec
        task = prepare(used, surveys, spec, self.card.normalisation, config, values)
        self.data = run(task)
        self.source = PatchSource(
            self.data.train,
            spec,
            config.patch,
            config.batch * config.accumulate,
            config.augment,
            None,
            config.seed,
        )

    def start(self, resume=None, checkpoint=None):
        with seeded("cpu", self.config.seed):
            network = build(self.card.spec)
        learner = Learner(network, self.config, "cpu", Alone())
        start = resume and load_checkpoint(resume)
        return Course(
            self.card,
            self.config,
            self.data,
            self.source,
            learner,
            start,
            checkpoint,
        )

    def run(self, report=None, checkpoint=None, resume=None, stop_after=None):
        course = self.start(resume, checkpoint)
        first = course.state.step

        def should_stop():
            return stop_after is not None and course.state.step >= first + stop_after

        return run(course.run(should_stop), report)


def stopped(updates, pairs, config, **options):
    """Train for so many updates, then stop."""
    done = []

    def see(record):
        if isinstance(record, TrainProgress):
            done.append(record.step)

    def should_stop():
        return max(done, default=0) >= updates

    return run(train(pairs, config, should_stop=should_stop, **options), see)


def same_weights(first, second):
    a, b = first.network.state_dict(), second.network.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def same_course(first, second):
    a, b = ({**m.card.training, "seconds": 0} for m in (first, second))
    return a == b and first.card.scores == second.card.scores


# -- learning ------------------------------------------------------------------------


def test_a_tiny_network_learns_one_image_by_heart(squares) -> None:
    image, labels = squares()
    config = replace(
        QUICK, updates=60, patch=64, learning_rate=0.02, augment=STILL, batch=1
    )
    model = Course_([Pair(image, labels)], config).run()
    history = [entry["loss"] for entry in model.card.training["history"]]
    assert history[-1] < 0.3 * history[0]
    found = run(predict(image, model, PredictConfig(device="cpu", precision="float32")))
    overlap = ((found.labels > 0) & (labels > 0)).sum()
    assert overlap / ((found.labels > 0) | (labels > 0)).sum() > 0.9
    assert found.labels.max() == labels.max()


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_falls(squares, loss) -> None:
    config = replace(
        QUICK, loss=loss, updates=30, augment=STILL, learning_rate=0.01, patch=64
    )
    model = Course_([Pair(*squares())], config).run()
    history = [entry["loss"] for entry in model.card.training["history"]]
    assert all(math.isfinite(value) for value in history)
    assert history[-1] < history[0]


def test_a_sum_of_losses_falls(squares) -> None:
    config = replace(
        QUICK, loss="0.5 focal + dice", updates=30, augment=STILL, learning_rate=0.01
    )
    model = Course_([Pair(*squares())], config).run()
    history = [entry["loss"] for entry in model.card.training["history"]]
    assert history[-1] < history[0]
    assert model.card.training["config"]["loss"] == "0.5 focal + dice"


@pytest.mark.parametrize("loss", ["hinge", "0.5 focal + dyce", ""])
def test_an_unknown_loss_is_refused_before_anything_starts(loss) -> None:
    with pytest.raises(ConfigError, match=r"There is no loss .*cross-entropy, dice"):
        replace(QUICK, loss=loss)


def test_coarse_heads_may_count_less(squares) -> None:
    spec = UNetPlusPlusSpec(channels=(4, 8, 16))
    losses = {}
    for kind in ("equal", "halved"):
        config = replace(QUICK, head_weights=kind, updates=1)
        model = Course_([Pair(*squares())], config, spec).run()
        losses[kind] = model.card.training["history"][0]["loss"]
    assert losses["equal"] != losses["halved"]
    assert losses["equal"] == pytest.approx(losses["halved"], rel=0.5)


def test_a_guided_network_learns_whether_there_is_an_object(squares) -> None:
    spec = UNet3PlusSpec(channels=(4, 8, 16), skip_channels=4, guided=True)
    model = Course_([Pair(*squares())], QUICK, spec).run()
    with seeded("cpu", QUICK.seed):
        before = build(model.card.spec).state_dict()
    # Without a loss of its own, the guess gets no gradient: it is a decision.
    after = model.network.state_dict()
    weights = [name for name in before if name.endswith("weight")]
    assert not [name for name in weights if torch.equal(before[name], after[name])]


def test_all_heads_of_a_deeply_supervised_network_learn(squares) -> None:
    spec = UNetPlusPlusSpec(channels=(4, 8, 16))
    course = Course_([Pair(*squares())], replace(QUICK, learning_rate=0.01), spec)
    before = course.start().learner.kept()
    after = course.run().network.state_dict()
    heads = [name for name in after if name.startswith("heads") and "weight" in name]
    assert len(heads) == 2
    for name in after:
        assert not torch.equal(before[name], after[name]), name


def test_several_classes_are_learnt(squares) -> None:
    _, labels = squares()
    codes = np.array([0, 50, 200])[np.where(labels > 0, 1 + labels % 2, 0)]
    grey = (codes + 20).astype(np.uint8)
    config = replace(
        QUICK,
        target="classes",
        updates=60,
        patch=64,
        learning_rate=0.02,
        augment=STILL,
        seed=2,
    )
    model = Course_([Pair(grey, codes)], config).run()
    found = run(predict(grey, model, PredictConfig(device="cpu", precision="float32")))
    assert found.probabilities.shape == (3, 64, 64)
    assert (found.labels == codes).mean() > 0.97


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        ("unet-16", (48, 48)),
        ("unet++-16", (32, 32)),
        ("unet-3d", (8, 32, 32)),
        ("unet++-3d", (4, 16, 16)),
    ],
)
def test_networks_of_the_catalog_train(squares, network, shape) -> None:
    ndim = len(shape)
    pair = Pair(*squares(shape, side=2, step=4, ndim=ndim), spacing=(2.0,) * ndim)
    config = replace(QUICK, network=network, patch=16, batch=2)
    model = run(train([pair], config))
    assert model.card.axes == "ZYX"[-ndim:]
    assert model.card.spacing == (2.0,) * ndim
    assert not model.network.training
    assert model.network(torch.zeros(1, 1, *(16,) * ndim)).isfinite().all()


def test_volumes_train_exactly_on_a_cpu_whatever_the_precision(squares) -> None:
    # torch's gradients in bfloat16 are wrong there, some of them not even finite.
    pair = Pair(*squares((8, 16, 16), side=2, step=4, ndim=3))
    spec = UNetSpec(ndim=3, channels=(4, 8, 16, 16), norm="batch")
    config = replace(QUICK, patch=16, updates=4)
    exact = Course_([pair], config, spec).run()
    automatic = Course_([pair], replace(config, precision="auto"), spec).run()
    assert same_weights(exact, automatic)


def test_colour_images_train(squares) -> None:
    image, labels = squares()
    colour = np.stack([image, image // 2, 255 - image], axis=-1)
    model = run(train([Pair(colour, labels, channel_axis=-1)], QUICK))
    assert model.card.spec.in_channels == 3
    found = run(predict(colour, model, PredictConfig(device="cpu"), channel_axis=-1))
    assert found.labels.shape == labels.shape


def test_a_network_of_planes_trains_on_the_slices_of_a_stack(squares) -> None:
    image, labels = squares((3, 48, 48))
    records = []
    run(train([Pair(image, labels)], QUICK), records.append)
    updates = [r.step for r in records if isinstance(r, TrainProgress)]
    assert updates == [1, 2]


def test_a_network_of_volumes_cannot_train_on_planes(squares) -> None:
    with pytest.raises(InputError, match="the network is 3D"):
        run(train([Pair(*squares())], replace(QUICK, network="unet-3d")))


# -- progress ------------------------------------------------------------------------


def test_each_update_is_reported_and_the_last_one_is_the_total(squares) -> None:
    records = []
    config = replace(QUICK, updates=12, hold_out=0.2)
    Course_([Pair(*squares((64, 128)))], config).run(records.append)
    steps = [record.step for record in records]
    assert steps == sorted(steps)
    assert set(steps) == set(range(1, 13))
    assert records[-1].step == records[-1].total == 12
    read = [record.step for record in records if record.loss is not None]
    assert read == [*range(1, 11), 12]
    left = [
        record.seconds_left for record in records if record.seconds_left is not None
    ]
    assert min(left) == left[-1] == 0


def test_preparing_comes_before_updating(squares) -> None:
    records = []
    run(train([Pair(*squares(), name="cells")], QUICK), records.append)
    kinds = [type(record) for record in records]
    assert kinds == sorted(kinds, key=(Progress, Prepared, TrainProgress).index)
    assert kinds.count(Prepared) == 1
    assert any(record.message == "Preparing cells" for record in records)


def test_validation_shows_scores_and_a_picture(squares) -> None:
    records = []
    image, labels = squares()
    pairs = [Pair(image, labels), Pair(image, labels, "validate", "judge")]
    Course_(pairs, replace(QUICK, updates=3)).run(records.append)
    shown = [record for record in records if record.scores is not None]
    assert [record.step for record in shown] == [1, 2, 3]
    for record in shown:
        assert record.scores.keys() == {"iou", "dice", "pixel_error", "f1"} | set(
            record.scores
        )
        assert all(0 <= value <= 1 for value in record.scores.values())
        assert record.preview.name == "judge"
        assert record.preview.image.shape == record.preview.probability.shape
        assert record.preview.probability.min() >= 0
        assert record.preview.probability.max() <= 1


# -- repeating and resuming ----------------------------------------------------------


def test_a_seed_decides_everything(squares) -> None:
    pairs = [Pair(*squares((64, 128)))]
    config = replace(QUICK, updates=3, hold_out=0.2)
    first, second = (Course_(pairs, config).run() for _ in range(2))
    other = Course_(pairs, replace(config, seed=1)).run()
    assert same_weights(first, second)
    assert same_course(first, second)
    assert not same_weights(first, other)


@pytest.mark.parametrize(
    ("dropout", "changes"),
    [
        (0.0, {}),
        (0.5, {"accumulate": 2}),
        (0.0, {"ema": 0.9, "patience": 13}),
        (0.5, {"optimiser": "sgd", "schedule": "constant"}),
    ],
)
@pytest.mark.parametrize("stop_after", [1, 7, 10])
def test_a_resumed_training_is_the_uninterrupted_one(
    squares, tmp_path, dropout, changes, stop_after
) -> None:
    path = tmp_path / "a.ckpt"
    config = replace(
        QUICK, updates=13, hold_out=0.2, augment=AugmentConfig(), **changes
    )
    spec = replace(TINY, dropout=dropout)
    course = Course_([Pair(*squares((64, 128)))], config, spec)
    whole = course.run()
    torch.rand(3)  # another user of the global generator
    part = course.run(checkpoint=path, stop_after=stop_after)
    assert part.card.training["updates"] == stop_after
    resumed = course.run(resume=path)
    assert same_weights(whole, resumed)
    assert same_course(whole, resumed)
    assert resumed.card.training["seconds"] > 0


def test_a_training_can_be_resumed_again_and_again(squares, tmp_path) -> None:
    path = tmp_path / "a.ckpt"
    course = Course_([Pair(*squares())], replace(QUICK, updates=25))
    course.run(checkpoint=path, stop_after=4)
    for _ in range(2):
        course.run(checkpoint=path, resume=path, stop_after=9)
    assert load_checkpoint(path).state["step"] == 22
    assert same_course(course.run(resume=path), course.run())


def test_resuming_through_the_whole_task_repeats_the_catalog_network(
    squares, tmp_path
) -> None:
    path = tmp_path / "a.ckpt"
    pairs, config = [Pair(*squares(), name="a")], replace(QUICK, updates=3)
    whole = run(train(pairs, config))
    told = {"command": "unet-studio train a b", "pairs": []}
    stopped(2, pairs, config, checkpoint=path, repeat=told)
    resumed = run(train(pairs, config, resume=path))
    assert same_weights(whole, resumed)
    assert resumed.card.training["command"] == told["command"]
    assert resumed.card.data == whole.card.data


@pytest.fixture
def checkpoint(squares, tmp_path):
    path = tmp_path / "a.ckpt"
    stopped(1, [Pair(*squares())], QUICK, checkpoint=path)
    return path


def resume(path, *pairs, **changes):
    return run(train(pairs, replace(QUICK, **changes), resume=path))


def test_more_updates_may_be_asked_for(squares, checkpoint) -> None:
    model = resume(checkpoint, Pair(*squares()), updates=3)
    assert model.card.training["updates"] == 3


def test_a_longer_training_is_judged_to_its_new_end(squares, tmp_path) -> None:
    path = tmp_path / "a.ckpt"
    judged(squares, 8, validations=4).run(checkpoint=path)
    model = judged(squares, 40, validations=4).run(resume=path)
    steps = [e["step"] for e in model.card.training["history"] if "iou" in e]
    assert steps == [2, 4, 6, 8, 10, 20, 30, 40]
    model = judged(squares, 40, validations=2).run(resume=path)
    steps = [e["step"] for e in model.card.training["history"] if "iou" in e]
    assert steps == [2, 4, 6, 8, 20, 40]


def test_what_patience_ended_goes_on_when_asked(squares, tmp_path) -> None:
    path = tmp_path / "a.ckpt"
    impatient = judged(squares, 20, learning_rate=1e-7, patience=3)
    assert impatient.run(checkpoint=path).card.training["updates"] < 20
    model = judged(squares, 20, learning_rate=1e-7).run(resume=path)
    assert model.card.training["updates"] == 20
    assert not [n for n in model.card.training["notes"] if "no better score" in n]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_resumed_training_stays_with_its_type(
    squares, tmp_path, monkeypatch, precision
) -> None:
    path = tmp_path / "a.ckpt"
    config = replace(QUICK, precision="auto", updates=4)
    faster = precision == "bfloat16"
    monkeypatch.setattr(precisions, "bfloat16_wins", lambda device: faster)
    stopped(2, [Pair(*squares())], config, checkpoint=path)
    monkeypatch.setattr(precisions, "bfloat16_wins", lambda device: not faster)
    model = run(train([Pair(*squares())], config, resume=path))
    assert model.card.training["precision"] == precision


def test_a_setting_that_is_newer_than_the_checkpoint_had_its_default(
    squares, checkpoint
) -> None:
    old = load_checkpoint(checkpoint)
    del old.model.card.training["config"]["head_weights"]
    save_checkpoint(old, checkpoint)
    assert resume(checkpoint, Pair(*squares())).card.training["updates"] == 2
    with pytest.raises(ConfigError, match="head_weights = 'equal', not 'halved'"):
        resume(checkpoint, Pair(*squares()), head_weights="halved")


@pytest.mark.parametrize(
    "setting",
    [{"learning_rate": 0.1}, {"seed": 3}, {"augment": STILL}, {"loss": "dice"}],
)
def test_other_settings_are_not_resumed(squares, checkpoint, setting) -> None:
    name = next(iter(setting))
    with pytest.raises(ConfigError, match=rf"was made with {name}\S* = .*, not .*anew"):
        resume(checkpoint, Pair(*squares()), **setting)


def test_other_data_are_not_resumed(squares, checkpoint) -> None:
    image, labels = squares()
    others = (
        [Pair(image + 1, labels)],
        [Pair(image, (labels > 0) * 1)],
        [Pair(image, labels), Pair(image, labels)],
        [Pair(image, labels, spacing=(2.0, 1.0))],
    )
    for pairs in others:
        with pytest.raises(InputError, match="belongs to other images or labels"):
            resume(checkpoint, *pairs)


def test_other_roles_are_not_resumed(squares, tmp_path) -> None:
    path, (image, labels) = tmp_path / "a.ckpt", squares()
    pairs = [Pair(image, labels), Pair(image, labels, "validate")]
    stopped(1, pairs, QUICK, checkpoint=path)
    with pytest.raises(InputError, match="other roles"):
        resume(path, *(replace(pair, role="train") for pair in pairs))


def test_a_checkpoint_that_is_not_there_is_named(squares, tmp_path) -> None:
    with pytest.raises(StorageError, match=r"none\.ckpt"):
        resume(tmp_path / "none.ckpt", Pair(*squares()))


@pytest.mark.parametrize("part", ["state", "param_groups"])
def test_a_damaged_checkpoint_is_refused(squares, checkpoint, part) -> None:
    start = load_checkpoint(checkpoint)
    moments = {
        f"{i}.{name}": tensor
        for i, values in start.optimiser["state"].items()
        for name, tensor in values.items()
    }
    write_archive(
        checkpoint,
        {
            "card": start.model.card.to_dict(),
            "state": {} if part == "state" else start.state,
            "optimiser": {}
            if part == "param_groups"
            else {"param_groups": start.optimiser["param_groups"]},
        },
        {"weights": start.model.network.state_dict(), "moments": moments},
        {},
    )
    with pytest.raises(ModelFileError):
        resume(checkpoint, Pair(*squares()))


def test_a_model_file_is_no_checkpoint(squares, tmp_path) -> None:
    path = run(train([Pair(*squares())], QUICK)).save(tmp_path / "a.unet")
    with pytest.raises(ModelFileError):
        resume(path, Pair(*squares()))


# -- stopping ------------------------------------------------------------------------


def judged(squares, updates, **changes):
    image, labels = squares()
    pairs = [Pair(image, labels), Pair(image, labels, "validate")]
    return Course_(pairs, replace(QUICK, updates=updates, **changes))


def test_a_training_is_stopped_while_it_prepares(squares) -> None:
    seen = []
    pairs = [Pair(*squares(), name=str(number)) for number in range(6)]
    model = run(train(pairs, QUICK, should_stop=lambda: len(seen) > 2), seen.append)
    assert model is None
    assert len(seen) == 3


def test_a_stopped_training_keeps_the_best_network_so_far(squares, tmp_path) -> None:
    path = tmp_path / "a.ckpt"
    model = judged(squares, 20).run(checkpoint=path, stop_after=5)
    course = model.card.training
    assert course["updates"] == 5
    assert 1 <= course["best_update"] <= 5
    assert model.card.scores
    assert load_checkpoint(path).state["step"] == 5
    assert load_model_file(model.save(tmp_path / "a.unet")).card.scores


def test_a_validation_is_stopped_between_frames_and_made_up_for(
    squares, tmp_path
) -> None:
    path = tmp_path / "a.ckpt"
    image, labels = squares()
    pairs = [Pair(image, labels), *[Pair(image, labels, "validate")] * 3]
    course = Course_(pairs, replace(QUICK, updates=3))
    records = []
    task = course.start(checkpoint=path).run(lambda: len(records) == 7)
    part = run(task, records.append)
    assert [record.message for record in records[5:]] == ["Training", "Validating"]
    assert part.card.training["updates"] == 2
    assert part.card.training["best_update"] == 1
    run(course.start(path, path).run(lambda: True))
    assert same_course(course.run(resume=path), course.run())


def test_stopped_before_any_validation_the_last_weights_are_kept_and_said_so(
    squares,
) -> None:
    model = judged(squares, 100).run(stop_after=3)
    assert model.card.training["best_update"] == 3
    assert dict(model.card.scores) == {}
    assert "stopped before its first validation" in model.card.training["notes"][-1]


def test_stopped_before_the_first_update_nothing_is_left(squares, tmp_path) -> None:
    path = tmp_path / "a.ckpt"
    model = judged(squares, 20).run(checkpoint=path, stop_after=0)
    assert model.card.training["updates"] == 0
    assert list(tmp_path.iterdir()) == []


def test_a_task_closed_on_the_way_leaves_its_last_checkpoint(squares, tmp_path) -> None:
    path = tmp_path / "a.ckpt"
    task = judged(squares, 20).start(checkpoint=path).run(never)
    for record in task:
        if record.step == 4:
            break
    task.close()
    assert load_checkpoint(path).state["step"] == 3


def test_without_validation_the_last_weights_are_kept_and_said_so(squares) -> None:
    course = Course_([Pair(*squares())])
    model = course.run()
    assert dict(model.card.scores) == {}
    assert model.card.training["best_update"] == 2
    assert model.card.training["notes"] == [
        "No validation: nothing could be held out, so the last weights are kept."
    ]


def test_the_best_network_is_the_one_with_the_best_measured_score(squares) -> None:
    # Too fast to get better all the time.
    model = judged(squares, 20, learning_rate=0.05, patch=64).run()
    measured = {
        entry["step"]: entry
        for entry in model.card.training["history"]
        if "iou" in entry
    }
    assert len(measured) == 20
    best = model.card.training["best_update"]
    values = {k: selection_score(entry) for k, entry in measured.items()}
    assert values[best] == max(values.values())
    assert {"step": best, **model.card.scores} == measured[best]


def test_the_network_kept_has_the_scores_on_its_card(squares) -> None:
    image, labels = squares()
    model = judged(squares, 12, learning_rate=0.05, patch=64).run()
    found = run(predict(image, model, PredictConfig(device="cpu", precision="float32")))
    truth = labels > 0
    iou = ((found.labels > 0) & truth).sum() / ((found.labels > 0) | truth).sum()
    assert model.card.scores["iou"] == pytest.approx(iou)


def test_scores_that_were_not_measured_select_nothing() -> None:
    assert selection_score({"pixel_error": 0.0}) == -math.inf
    assert selection_score({"iou": 0.5}) == 0.5
    assert selection_score({"iou": 0.5, "f1": 1.0}) == 0.75


def test_a_network_that_gives_one_class_everywhere_is_noticed(squares) -> None:
    course = judged(squares, 1, learning_rate=1e-7)
    started = course.start()
    with torch.no_grad():
        started.learner.network.head.bias.fill_(-100)
    model = run(started.run(never))
    assert "one class everywhere" in model.card.training["notes"][-1]
    judge = Judge(course.card)
    item = course.data.validate[0]
    judge.add(item, np.zeros((1, 64, 64), np.float32))
    assert collapsed(judge)
    judge.add(item, (squares()[1][None] > 0).astype(np.float32))
    assert not collapsed(judge)
    assert judge.scores()["iou"] == pytest.approx(0.5)


def test_a_collapsed_network_does_not_replace_a_better_one(squares) -> None:
    course = judged(squares, 2, learning_rate=1e-7).start()
    for record in (task := course.run(never)):
        if record.step == 1 and record.scores is not None:
            kept = {k: t.clone() for k, t in course.best.items()}
            with torch.no_grad():
                course.learner.network.head.bias.fill_(-100)
    assert next(task, None) is None
    for name, tensor in course.best.items():
        assert torch.equal(tensor, kept[name])


def test_patience_ends_a_training_and_says_so(squares) -> None:
    # At such a rate nothing changes, so no round is better than the first.
    model = judged(squares, 20, learning_rate=1e-7, patience=3).run()
    training = model.card.training
    assert training["updates"] == training["best_update"] + 3
    assert training["finished"]
    assert "no better score in 3 validation rounds" in training["notes"][-1]


@pytest.mark.parametrize(
    ("inside", "outside", "best"),
    [(0.95, 0.62, 0.7), (0.95, 0.45, 0.5), (0.35, 0.05, 0.3), (0.95, 0.0, 0.5)],
)
def test_the_threshold_is_the_one_with_the_best_score(
    squares, inside, outside, best
) -> None:
    course = judged(squares, 1)
    truth = squares()[1] > 0
    logits = torch.tensor([inside, outside]).logit()

    class Known(torch.nn.Module):
        spec = course.card.spec

        def forward(self, x, part=None):
            found = torch.where(torch.from_numpy(truth), *logits)
            rows, columns = part
            return found[rows, columns].expand(len(x), 1, -1, -1)

    rounds = Rounds(course.card, course.data.validate, course.start().learner)
    verdict = drained(rounds.judge(Known(), never))
    assert verdict.threshold == best
    assert verdict.scores["iou"] == 1
    assert len(THRESHOLDS) == len(set(THRESHOLDS))


def drained(generator):
    while True:
        try:
            next(generator)
        except StopIteration as end:
            return end.value


def test_objects_can_be_learnt_from_a_few_painted_ones(squares) -> None:
    image, labels = squares()
    sparse = np.zeros_like(labels)
    sparse[:40, :40] = np.where(labels > 0, labels + 1, 1)[:40, :40]
    config = replace(
        QUICK,
        zero="unlabelled",
        updates=100,
        batch=2,
        learning_rate=0.02,
        augment=replace(STILL, flip=True),
    )
    model = Course_([Pair(image, sparse)], config).run()
    found = run(predict(image, model, PredictConfig(device="cpu", precision="float32")))
    overlap = ((found.labels > 0) & (labels > 0)).sum()
    assert overlap / ((found.labels > 0) | (labels > 0)).sum() > 0.9


# -- what can go wrong ---------------------------------------------------------------


def test_a_loss_that_is_no_number_sets_back_once_then_ends(squares, tmp_path) -> None:
    config = replace(QUICK, learning_rate=1.0, updates=60, loss="cross-entropy")
    spec = UNetSpec(channels=(32, *(64,) * 5))
    course = Course_([Pair(*squares())], config, spec)
    model = course.run(checkpoint=tmp_path / "a.ckpt")
    first, second = model.card.training["notes"][-2:]
    assert re.search(r"no longer a number after \d+ updates: .* went back", first)
    assert "again: stopped. Try a lower learning rate" in second
    assert model.card.training["finished"]
    assert all(t.isfinite().all() for t in model.network.state_dict().values())
    assert load_checkpoint(tmp_path / "a.ckpt").state["ended"]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_weights_that_are_no_numbers_send_the_training_back(
    squares, tmp_path, bad
) -> None:
    path = tmp_path / "a.ckpt"
    course = judged(squares, 40).start(checkpoint=path)

    def poison(record):
        if record.step == 5 and record.scores is None and course.state.slower == 1:
            with torch.no_grad():
                course.learner.network.head.bias.fill_(bad)

    records = []
    model = run(course.run(never), lambda r: (poison(r), records.append(r)))
    training = model.card.training
    assert training["updates"] == 40
    (note,) = [n for n in training["notes"] if "no longer a number" in n]
    assert "went back to update 4, and on at 0.3 of the rate" in note
    steps = [entry["step"] for entry in training["history"]]
    assert steps == sorted(steps)
    assert all(math.isfinite(e.get("loss", 0)) for e in training["history"])
    rates = {r.step: r.learning_rate for r in records if r.learning_rate is not None}
    whole = {
        r.step: r.learning_rate
        for r in collected(judged(squares, 40))
        if r.learning_rate is not None
    }
    assert rates[20] == pytest.approx(0.3 * whole[20])
    assert load_checkpoint(path).state["step"] == 40


def test_a_training_that_diverges_at_once_is_an_error_with_the_reason(squares) -> None:
    course = judged(squares, 40).start()

    def poison(record):
        with torch.no_grad():
            course.learner.network.head.bias.fill_(math.nan)

    with pytest.raises(StudioError, match=r"number after \d updates, again: stopped"):
        run(course.run(never), poison)


def test_after_a_setback_every_number_belongs_to_its_update(squares) -> None:
    course = judged(squares, 30, validations=6).start()
    records = []

    def poison(record):
        records.append(record)
        if record.step == 28 and course.state.slower == 1:
            with torch.no_grad():
                course.learner.network.head.bias.fill_(math.nan)

    model = run(course.run(never), poison)
    history = [e["step"] for e in model.card.training["history"] if "loss" in e]
    assert history == [*range(1, 11), 20, 30]
    back = [a.step for a, b in pairwise(records) if b.step < a.step]
    assert back == [29]
    assert [r.step for r in records if r.scores is not None] == [5, 10, 15, 20, 25, 30]


def test_the_best_network_survives_a_setback(squares) -> None:
    course = judged(squares, 20).start()
    best = {}

    def poison(record):
        if record.step == 10 and record.scores is not None:
            best.update(course.best)
        if record.step >= 11 and record.scores is not None:
            with torch.no_grad():
                course.learner.network.head.bias.fill_(math.nan)

    model = run(course.run(never), poison)
    assert "again: stopped" in model.card.training["notes"][-1]
    assert model.card.training["updates"] <= 12
    assert model.card.scores
    assert all(t.isfinite().all() for t in model.network.state_dict().values())


def collected(course):
    records = []
    course.run(records.append)
    return records


def test_a_batch_too_small_for_batch_normalisation_is_explained(squares) -> None:
    config = replace(QUICK, patch=16)
    with pytest.raises(ConfigError, match=r"batch of 1 patch of 16 x 16 .* larger"):
        run(train([Pair(*squares())], config))


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()]
)
def test_too_little_memory_is_said_with_the_remedy(squares, monkeypatch, error) -> None:
    def full(*args, **kwargs):
        raise error

    monkeypatch.setattr(torch.nn.Conv2d, "forward", full)
    with pytest.raises(
        DeviceError, match=r"suffice for 1 patch of 32 x 32 pixels\. Choose"
    ):
        run(train([Pair(*squares())], QUICK))


def test_a_kept_error_keeps_nothing_on_the_device(squares, monkeypatch) -> None:
    seen = []

    def full(layer, x):
        seen.append(weakref.ref(layer))
        seen.append(weakref.ref(x))
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch.nn.Conv2d, "forward", full)
    with pytest.raises(DeviceError) as caught:
        run(train([Pair(*squares())], QUICK))
    assert caught.value.__cause__ is not None
    gc.collect()  # modules hold themselves in cycles
    assert [gone() for gone in seen] == [None] * len(seen)


def test_another_error_of_torch_is_not_hidden(squares, monkeypatch) -> None:
    def broken(*args, **kwargs):
        raise RuntimeError("a bug")

    monkeypatch.setattr(torch.nn.Conv2d, "forward", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        run(train([Pair(*squares())], QUICK))


def test_a_checkpoint_that_cannot_be_written_is_noted_and_training_goes_on(
    squares, tmp_path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    model = judged(squares, 2).run(checkpoint=blocked / "a.ckpt")
    assert model.card.training["updates"] == 2
    assert "cannot be resumed" in model.card.training["notes"][-1]


def test_a_checkpoint_that_cannot_be_written_is_told_once_and_at_once(
    squares, tmp_path
) -> None:
    path = tmp_path / "file" / "a.ckpt"
    path.parent.write_bytes(b"")
    told, steps = [], []

    def follow(record) -> None:
        if getattr(record, "unsaved", None) is not None:
            told.append(record.unsaved)
            steps.append(record.step)
            if record.unsaved:
                path.parent.unlink()  # there is room again

    judged(squares, 12, validations=6).run(follow, checkpoint=path)
    assert "cannot be resumed" in told[0]
    assert told[1:] == [""]
    assert steps == [2, 4]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_refused_before_any_work(squares) -> None:
    task = train([Pair(*squares())], replace(QUICK, device="cuda"))
    with pytest.raises(DeviceError, match="'cuda' is not available"):
        next(task)


def test_training_leaves_the_global_random_numbers_alone(squares) -> None:
    image, labels = squares()
    pairs = [Pair(image, labels), Pair(image, labels, "validate")]
    torch.manual_seed(5)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    run(train(pairs, replace(QUICK, precision="auto")))
    assert torch.equal(before, torch.get_rng_state())
    assert (np.random.get_state()[1] == numpy_before).all()  # noqa: NPY002


@pytest.mark.slow
def test_the_data_of_the_caller_are_left_as_they_were(squares) -> None:
    image, labels = squares()
    image.setflags(write=False)
    labels.setflags(write=False)
    run(train([Pair(image, labels)], QUICK))


# -- provenance ----------------------------------------------------------------------


def test_the_card_says_how_the_model_was_made(squares, tmp_path) -> None:
    image, labels = squares()
    pairs = [
        Pair(image, labels, name="a", spacing=(0.5, 0.25)),
        Pair(image, labels, "validate", "b", spacing=(0.5, 0.25)),
        Pair(image, labels, "off", "c"),
    ]
    model = run(train(pairs, QUICK, name="cells"))
    card = model.card
    assert card.name == "cells"
    assert card.spacing == (0.5, 0.25)
    assert TrainConfig.from_dict(card.training["config"]) == QUICK
    assert {"napari-unet-studio", "torch", "numpy"} <= set(card.versions)
    assert [(d["name"], d["role"]) for d in card.data] == [
        ("a", "train"),
        ("b", "validate"),
    ]
    assert all(len(d["sha256"]) == 64 for d in card.data)
    assert card.created.endswith("+00:00")
    assert card.training["device"] == "cpu"
    assert card.training["seconds"] >= 0
    assert set(card.scores) <= {"iou", "dice", "pixel_error", "f1"}
    loaded = load_model_file(model.save(tmp_path / "cells.unet"))
    as_json = json.loads(json.dumps(card.to_dict()))
    assert json.loads(json.dumps(loaded.card.to_dict())) == as_json
    assert same_weights(loaded, model)


def test_different_pixel_sizes_are_not_averaged(squares) -> None:
    pairs = [Pair(*squares(), spacing=(s, s)) for s in (1.0, 2.0)]
    assert run(train(pairs, QUICK)).card.spacing is None


@pytest.mark.cuda
@pytest.mark.parametrize("precision", ["float32", "auto"])
def test_a_gpu_learns_and_resumes_and_gives_its_memory_back(
    squares, tmp_path, precision
) -> None:
    path = tmp_path / "a.ckpt"
    image, labels = squares()
    pairs = [Pair(image, labels), Pair(image, labels, "validate")]
    config = replace(QUICK, device="cuda", precision=precision, updates=40, patch=64)
    before = torch.cuda.get_rng_state()
    stopped(20, pairs, config, checkpoint=path)
    model = run(train(pairs, config, resume=path))
    assert torch.equal(before, torch.cuda.get_rng_state())
    assert model.card.scores["iou"] > 0.5
    assert next(model.network.parameters()).device.type == "cpu"
    assert torch.cuda.memory_reserved() == 0


# --- the network of a configuration


def test_thick_slices_are_pooled_later_unless_switched_off(squares):
    image, labels = squares((16, 32, 32), ndim=3)
    pair = Pair(image, labels, spacing=(4.0, 1.0, 1.0))
    base = {"network": "unet-3d", "width": 0.1, "updates": 1, "patch": 16, "batch": 1}
    fitted = run(train([pair], TrainConfig(**base)))
    assert fitted.card.spec.pooling == ((1, 2, 2), (1, 2, 2), (2, 2, 2))
    assert fitted.card.spec.channels[0] == (2, 2)
    plain = run(train([pair], TrainConfig(**base, fit_pooling=False)))
    assert plain.card.spec.pooling == ()


@pytest.mark.parametrize(
    "network",
    [
        "fcn-8s",
        "unet-2015",
        "unet-teaching",
        "unet++",
        "unet3+-guided",
        "resunet",
        "mobile-unet",
        "eff-unet-b0",
    ],
)
def test_the_loss_of_every_family_falls(squares, network):
    config = replace(
        QUICK,
        network=network,
        # This one learns slowly with fewer channels.
        width=1 / 4 if network == "eff-unet-b0" else 1 / 8,
        updates=40,
        patch=64,
        batch=2,
        augment=STILL,
    )
    model = run(train([Pair(*squares(side=24, step=32))], config))
    losses = [e["loss"] for e in model.card.training["history"] if "loss" in e]
    assert losses[-1] < 0.95 * losses[0]

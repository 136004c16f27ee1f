"""The training loop: averaged weights, clipping, momentum, dropout, a discriminator; resumed, diverged, shared."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from isamap import training
from isamap.training.accuracy.probability_calibration import calibrate_probabilities
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.fitting.adversarial import AdversarialTask
from isamap.training.fitting.progress import Progress
from isamap.training.fitting.task import Task
from tests.support.killed_at import assert_killed_at
from tests.support.one_thread import one_thread  # noqa: F401

FAST = {"epochs": "3", "batch": "4", "lr": "5e-3"}
UNET = FAST | {"model.widths": "4,8"}
MOST = UNET | {"optimiser": "sgd", "momentum": "0.9", "weight_decay": "1e-3", "clip": "0.5", "ema": "0.9"}
SMALL_JOINT = {"model.widths": "4,6", "model.middle": "6", "model.fine": "4", "model.middle_blocks": "1"}
JUDGED = (
    FAST | SMALL_JOINT | {"loss.sharp": "1", "loss.edges": "0.5", "loss.adversarial": "0.1", "loss.discriminator": "2"}
)


# what is trained: dataset, recipe, settings; each has a state of its own that must outlive an interruption
RUNS = {
    "averages, clipping and momentum": ("hamlet", "unet", MOST),
    "dropout": ("hamlet", "fcn8s", FAST | {"model.fc": "8", "model.base": "4"}),
    "discriminator": ("pairs", "jointseg", JUDGED | {"clip": "1", "ema": "0.9"}),
}


def curve(folder: Path) -> list[dict[str, float]]:
    return json.loads((folder / "history.json").read_text())


def weights(folder: Path) -> bytes:
    return (folder / "last" / ck.WEIGHTS).read_bytes()


@pytest.fixture(scope="module")
def whole(request, tmp_path_factory):
    """Trains each of RUNS once without interruption."""
    done: dict[str, Path] = {}

    def trained(name: str) -> Path:
        if name not in done:
            data, recipe, settings = RUNS[name]
            out = tmp_path_factory.mktemp("whole") / "run"
            done[name] = training.train(request.getfixturevalue(data), recipe, out, settings=settings).folder
        return done[name]

    return trained


@pytest.mark.parametrize(
    "name", ["averages, clipping and momentum", "dropout", pytest.param("discriminator", marks=pytest.mark.long)]
)
def test_a_broken_run_repeats_the_curve_of_a_whole_one(name, whole, request, tmp_path, monkeypatch):
    """Bit for bit, whatever the optimiser, averages, dropout or discriminator had come to."""
    data, recipe, settings = RUNS[name]
    kind = AdversarialTask if name == "discriminator" else Task
    original, data = kind.training_step, request.getfixturevalue(data)

    def breaking(task, batch, at):
        if task.current_epoch == 1 and at == 1:
            raise RuntimeError("power cut")
        return original(task, batch, at)

    with monkeypatch.context() as patch:
        patch.setattr(kind, "training_step", breaking)
        with pytest.raises(RuntimeError, match="power cut"):
            training.train(data, recipe, tmp_path / "run", settings=settings)
    assert len(curve(tmp_path / "run")) == 1
    training.train(data, recipe, tmp_path / "run", settings=settings)
    assert curve(tmp_path / "run") == curve(whole(name)) and weights(tmp_path / "run") == weights(whole(name))


@pytest.mark.long
def test_a_killed_run_repeats_the_curve_of_a_whole_one(whole, pairs, tmp_path):
    """kill -9 in the second of three epochs of two steps, with a discriminator, averages and clipping."""
    _, recipe, settings = RUNS["discriminator"]
    data, killed = pairs, tmp_path / "killed"
    threads = "import torch; torch.set_num_threads(1); "
    code = f"{threads}import isamap; isamap.train({str(data)!r}, {recipe!r}, {str(killed)!r}, settings={settings})"
    assert_killed_at("isamap.training.fitting.adversarial:AdversarialTask.training_step", 4, code)
    assert len(curve(killed)) == 1
    training.train(data, recipe, killed, settings=settings)
    assert curve(killed) == curve(whole("discriminator")) and weights(killed) == weights(whole("discriminator"))


def test_averaged_weights_are_validated_and_kept(hamlet, tmp_path, monkeypatch):
    """The checkpoint is the moving average, by hand, of the weights after each step; evaluation finds its scores."""
    seen, original = [], Task.on_train_batch_end

    def noting(task, *words):
        seen.append(task.network.encoder.blocks[0][0][0].weight.detach().double().numpy().copy())
        return original(task, *words)

    started: list[np.ndarray] = []
    monkeypatch.setattr(Task, "on_train_batch_end", noting)
    monkeypatch.setattr(
        Task,
        "on_fit_start",
        lambda task: started.append(task.average.values["encoder.blocks.0.0.0.weight"].double().numpy().copy()),
    )
    run = training.train(hamlet, "unet", tmp_path / "run", settings=UNET | {"ema": "0.7", "epochs": "2"})
    expected = started[0]
    for step, values in enumerate(seen, 1):
        decay = min(0.7, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * values
    kept = ck.load(run.folder / "last").build().encoder.blocks[0][0][0].weight.detach().numpy()
    assert len(seen) == 4
    np.testing.assert_allclose(kept, expected, rtol=1e-4, atol=1e-6)
    assert np.abs(kept - seen[-1]).max() > 1e-4
    found = training.evaluate(run.folder / "last", hamlet, "val").scores.miou
    assert found == pytest.approx(curve(run.folder)[-1]["val_miou"], abs=2e-3)


@pytest.mark.long
@pytest.mark.parametrize(("data", "recipe", "settings"), [("hamlet", "unet", UNET), ("pairs", "jointseg", JUDGED)])
def test_no_step_is_longer_than_the_clipped_gradient(data, recipe, settings, request, tmp_path, monkeypatch):
    """Plain SGD at a constant rate: |weights after - before| <= rate x clip a step, network and discriminator apart."""
    lengths, original = [], Task.on_train_batch_end
    before: dict[str, torch.Tensor] = {}

    def now(task) -> dict[str, torch.Tensor]:
        return {name: value.detach().clone() for name, value in task.named_parameters()}

    def starting(task):
        before.update(now(task))

    def noting(task, *words):
        for part in ("network", "discriminator"):
            moved = [(value - before[name]).square().sum() for name, value in now(task).items() if part in name]
            lengths.append(sum(moved) ** 0.5 if moved else torch.tensor(0.0))
        before.update(now(task))
        return original(task, *words)

    monkeypatch.setattr(Task, "on_fit_start", starting)
    monkeypatch.setattr(Task, "on_train_batch_end", noting)
    plain = {"optimiser": "sgd", "momentum": "0", "weight_decay": "0", "power": "0", "lr": "0.1", "clip": "1e-2"}
    chosen = settings | plain | {"epochs": "1"}
    training.train(request.getfixturevalue(data), recipe, tmp_path / "run", settings=chosen)
    steps = torch.stack(lengths).reshape(-1, 2)
    assert (steps <= 0.1 * 1e-2 * 1.01).all()
    assert (steps[:, 0] > 0.1 * 1e-2 * 0.5).all(), "gradients are longer than that unclipped"


@pytest.mark.long
def test_the_discriminator_learns_but_stays_out_of_checkpoints(whole):
    folder = whole("discriminator")
    state = torch.load(folder / "resume.ckpt", weights_only=True)["state_dict"]
    assert any(name.startswith("discriminator.") for name in state)
    assert not any("discriminator" in name for name, _ in ck.load(folder).build().named_parameters())


@pytest.mark.long
def test_each_of_the_two_optimisers_moves_its_own_weights_only(pairs, tmp_path, monkeypatch):
    """During the network's backward pass no gradient of the discriminator is kept, and the other way round."""
    seen, original = [], AdversarialTask._step

    def noting(task, of, loss):
        for parameter in task.parameters():
            parameter.grad = None
        original(task, of, loss)
        named = {name.split(".")[0] for name, value in task.named_parameters() if value.grad is not None}
        seen.append(named)

    monkeypatch.setattr(AdversarialTask, "_step", noting)
    training.train(pairs, "jointseg", tmp_path / "run", settings=JUDGED | {"epochs": "1"})
    assert seen == [{"network"}, {"discriminator"}] * 2


@pytest.mark.long
def test_the_cascade_is_trained_end_to_end(pairs, tmp_path):
    """Both stages and the U-Net learn from one loss."""
    settings = FAST | {"model.features": "4", "model.growth": "2", "model.widths": "2,4", "loss.discriminator": "2"}
    run = training.train(pairs, "progesrgan-tiny", tmp_path / "run", settings=settings | {"ema": "0", "epochs": "2"})
    losses = [entry["train_loss"] for entry in curve(run.folder)]
    assert losses[1] < losses[0]


@pytest.mark.long
def test_sharpening_alone_needs_no_discriminator(pairs, tmp_path):
    settings = FAST | SMALL_JOINT | {"loss.sharp": "1", "loss.low": "1", "epochs": "1"}
    run = training.train(pairs, "jointseg", tmp_path / "run", settings=settings)
    state = torch.load(run.folder / "resume.ckpt", weights_only=True)["state_dict"]
    assert not any(name.startswith("discriminator.") for name in state)


@pytest.mark.long
def test_impervious_shares_teach_and_are_validated_as_classes(pairs, tmp_path):
    settings = UNET | {"target": "share", "loss": "soft_cross_entropy", "epochs": "2"}
    run = training.train(pairs, "unet", tmp_path / "run", settings=settings)
    assert 0 < curve(run.folder)[-1]["val_miou"] <= 1
    assert (run.folder / "pictures" / "epoch_0002.png").exists()
    report = training.evaluate(run.folder, pairs, "val")
    document = report.to_json()["shares"]
    assert report.shares.pixels > 0 and "percent impervious: bias" in str(report)
    assert "probability" not in str(report)
    bias = sum(each["pixels"] * each["bias"] for each in document["by_class"] if each["pixels"])
    assert document["bias"] == pytest.approx(bias / document["pixels"], abs=1e-3)
    _check_calibrated_shares(run.folder, pairs, report, tmp_path / "calibrated")


def _check_calibrated_shares(folder, pairs, before, out):
    """A curve of shares: by its fit's own split the mean is that of the labels, and the threshold stays 50 %."""
    told = calibrate_probabilities(folder, pairs, out, method="isotonic")
    after = training.evaluate(out, pairs, "val")
    assert after.shares.bias == pytest.approx(0, abs=0.5) and after.shares.rmse < before.shares.rmse
    assert "isotonic curve of shares; impervious from 50 % on" in str(told) and told.threshold == 0.5
    assert told.by_split["val"][1].shares.rmse == pytest.approx(after.shares.rmse, rel=1e-6)


@pytest.mark.long
def test_a_diverged_run_stops_in_one_sentence_and_keeps_what_it_had(hamlet, tmp_path, monkeypatch):
    original = Task.cost

    def diverging(task, output, prepared):
        return original(task, output, prepared) * (torch.nan if task.current_epoch == 1 else 1)

    monkeypatch.setattr(Task, "cost", diverging)
    with pytest.raises(ValueError, match=r"training diverged in epoch 2 \(loss nan\): use a smaller step, such as"):
        training.train(hamlet, "unet", tmp_path / "run", settings=UNET)
    assert ck.load(tmp_path / "run").metrics["epoch"] == 1 and len(curve(tmp_path / "run")) == 1


def test_a_process_stops_with_the_one_whose_loss_is_lost(hamlet, tmp_path, monkeypatch):
    """DDP: its own losses are numbers, the sum over all processes says that another's are not."""
    monkeypatch.setattr(Task, "_reduced", lambda task, values, how: values + (values.ndim == 0))
    with pytest.raises(ValueError, match=r"training diverged in epoch 1 \(loss nan\)"):
        training.train(hamlet, "unet", tmp_path / "run", settings=UNET)


@pytest.mark.long
def test_bf16_learns_what_fp32_learns(hamlet, tmp_path):
    """The same curve within 3 %."""
    curves = []
    for precision in ("fp32", "bf16"):
        run = training.train(hamlet, "unet", tmp_path / precision, settings=UNET | {"precision": precision})
        curves.append([entry[name] for entry in curve(run.folder) for name in ("train_loss", "val_loss")])
    assert np.isfinite(curves[1]).all() and curves[1] == pytest.approx(curves[0], rel=0.03)
    assert curves[0] != curves[1]


def test_crops_are_trained_on_and_whole_patches_validated(hamlet, tmp_path, monkeypatch):
    """LandCover3m: crops of 513 of chips of 1024 pixels."""
    sizes, original, asked = set(), Task.forward, []

    def noting(task, image):
        sizes.add((task.training, image.shape[-1]))
        return original(task, image)

    predicted = training.runs.run.predicted
    monkeypatch.setattr(Task, "forward", noting)
    monkeypatch.setattr(
        "isamap.training.runs.run.predicted",
        lambda *words, **how: asked.append(how["batch"]) or predicted(*words, **how),
    )
    run = training.train(hamlet, "unet", tmp_path / "run", settings=UNET | {"crop": "16", "epochs": "1"})
    assert sizes == {(True, 16), (False, 32)}
    assert ck.load(run.folder).window == 16
    assert asked == [1], "4 crops of 16 x 16 are a patch of 32 x 32: no more at once when all is over"


class Clock:
    """A stand-in for the time module whose clock is set by hand."""

    now_s = 0.0

    def perf_counter(self) -> float:
        return self.now_s


def test_time_between_steps_is_waiting(monkeypatch):
    """3 s between steps and 1 s in each: 4 patches in 4 s, three quarters of it waiting; validation is not counted."""
    from types import SimpleNamespace

    clock = Clock()
    monkeypatch.setattr("isamap.training.fitting.progress.time", clock)
    recipe = SimpleNamespace(batch=4, epochs=2, accumulate=1)
    progress = Progress(SimpleNamespace(recipe=recipe, steps_per_epoch=2))
    trainer = SimpleNamespace(current_epoch=0, is_global_zero=False)
    for _ in range(2):
        progress.on_train_epoch_start(trainer, None)
        for _ in range(2):
            clock.now_s += 3
            progress.on_train_batch_start()
            clock.now_s += 1
            progress.on_train_batch_end()
        clock.now_s += 100
        progress.on_train_epoch_end(trainer, None)
    assert (progress.samples_per_s, progress.waiting_share) == (1.0, 0.75)


def test_a_run_that_is_copied_goes_on_elsewhere(whole, hamlet, tmp_path):
    """Nothing in the trainer's file names the folder that it came from."""
    copied = shutil.copytree(whole("averages, clipping and momentum"), tmp_path / "copied")
    (copied / "report.json").unlink()
    assert training.train(hamlet, "unet", copied, settings=MOST).epochs == 3

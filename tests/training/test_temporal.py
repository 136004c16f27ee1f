"""Attention over dates: order, missing dates and the day of year do what the network's words say."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
import torch

from isamap.gee_export.base.band_globs import DAY
from isamap.gee_export.datasets.manifest import NODATA
from isamap.training import train
from isamap.training.accuracy.evaluation import evaluate
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.models.temporal import UTAE, UTAEConfig, softmax_of_known
from isamap.training.samples.cache import dated_with_days
from tests.support.one_thread import one_thread  # noqa: F401
from tests.support.pairs import write_pairs

BANDS = ("B2", "B8", "VV", "DAY")
SMALL = UTAEConfig(widths=(8, 16), heads=4, harmonics=2)


@pytest.fixture
def network() -> UTAE:
    torch.manual_seed(0)
    return UTAE(BANDS, SMALL).double().eval()


def dates(count: int = 4) -> torch.Tensor:
    """Two images of so many dates, a corner of the first date missing; the last band is the day."""
    x = torch.randn(2, count, len(BANDS), 8, 8, dtype=torch.float64)
    x[:, 0, :3, :3, :3] = 0
    x[:, :, 3] = torch.linspace(20, 300, count)[None, :, None, None]
    return x


def logits(network: UTAE, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return network(x).logits_BKHW


def test_the_order_of_dates_changes_nothing(network):
    x = dates()
    torch.testing.assert_close(logits(network, x[:, [2, 0, 3, 1]]), logits(network, x))


@pytest.mark.parametrize("day", [0.0, 200.0])
@pytest.mark.parametrize("training", [False, True])
def test_further_missing_dates_change_nothing(network, day, training):
    """Neither with statistics of the batch nor without."""
    x = dates()
    padding = torch.zeros_like(x[:, :2])
    padding[:, :, 3] = day
    network.train(training)
    torch.testing.assert_close(logits(network, torch.cat((x, padding), dim=1)), logits(network, x))


def test_a_missing_pixel_of_a_date_reaches_no_weight_at_it(network):
    """Weights are 0 on the missing corner of the first date and sum to 1 over the dates there."""
    seen = {}
    network.mixes[0].register_forward_pre_hook(lambda _, args: seen.update(summed=args[0]))
    x = dates(2)
    logits(network, x)
    alone = network.blocks[0](x[:, 1, :3])
    torch.testing.assert_close(seen["summed"][:, :, :3, :3], alone[:, :, :3, :3])


def test_the_day_of_year_matters_and_turns_with_the_year(network):
    x = dates()
    moved, later = x.clone(), x.clone()
    moved[:, 0, 3] = 180
    later[:, :, 3] += 365.25
    assert not torch.allclose(logits(network, moved), logits(network, x))
    torch.testing.assert_close(logits(network, later), logits(network, x))


def test_unknown_dates_have_no_weight_whatever_their_score():
    scores, known = torch.tensor([0.0, 1e4, 1.0]), torch.tensor([1.0, 0.0, 1.0])
    weights = softmax_of_known(scores.view(1, 3, 1, 1, 1), known.view(1, 3, 1, 1, 1)).flatten()
    torch.testing.assert_close(weights, torch.tensor([1 / (1 + torch.e), 0.0, torch.e / (1 + torch.e)]))


def test_ground_that_no_date_knows_gives_finite_logits_and_gradients(network):
    x = torch.zeros(1, 3, 4, 8, 8, dtype=torch.float64)
    network(x).logits_BKHW.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


def test_heads_share_out_the_channels():
    with pytest.raises(ValueError, match="heads 3: expected a divisor"):
        UTAEConfig(widths=(8, 16), heads=3)


def test_dates_are_read_with_their_days_and_followed_by_missing_ones():
    """Of three the two that show most, in order of time; of one the rest is missing; of none the composite."""
    frames, image = np.ones((3, 2, 4, 4), np.int16), np.full((2, 4, 4), 7, np.int16)
    frames[1] = NODATA
    days = [date(2020, 1, 1), date(2020, 6, 1), date(2020, 12, 31)]
    assert dated_with_days(days, frames, image, 2)[:, 2, 0, 0].tolist() == [1, 366]
    one = dated_with_days(days[2:], frames[2:], image, 2)
    assert one[0, :, 0, 0].tolist() == [1, 1, 366] and (one[1] == NODATA).all()
    none = dated_with_days([], frames[:0], image, 2)
    assert none[0, :, 0, 0].tolist() == [7, 7, NODATA] and (none[1] == NODATA).all()


@pytest.mark.long
def test_it_trains_on_dates_and_is_judged_with_the_same_bands(tmp_path):
    data = write_pairs(tmp_path / "pairs", ["train"] * 8 + ["val", "test"])
    address = str(tmp_path / "pairs")
    train([address], "utae-tiny", tmp_path / "run", settings={"epochs": "2", "batch": "4", "frames": "4"})
    assert ck.load(tmp_path / "run").band_names == (*data.manifest.band_names, DAY)
    assert evaluate(tmp_path / "run", [address]).scores.miou > 0

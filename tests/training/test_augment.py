"""Augmentation: aligned, reproducible, decided by seed, epoch and patch alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.training.checkpoints.checkpoint import BandNorm
from isamap.training.samples.augment import (
    BLUR_SHARE,
    CHANCES,
    COMMON,
    FLIP_SHARE,
    GAIN,
    LOOKS,
    OFFSET,
    SLOPE,
    SPECKLE_SHARE,
    Augmented,
    augment,
    draws,
)

KEEP, FLIP, BLUR, NO_BLUR = 0.99, 0.0, 0.0, 0.99
SIDE = 16
PAPER = ("flip", "turn", "blur")
BY_ANGLE = ("flip", "rotate", "blur")


def coded(count: int = 1) -> Augmented:
    """Pixels whose two bands are row and column + 1, and whose label follows from both."""
    rows, cols = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    image = torch.stack((rows + 1.0, cols + 1.0)).repeat(count, 1, 1, 1)
    label = ((rows * 3 + cols * 5) % 2).to(torch.uint8).repeat(count, 1, 1)
    return Augmented(image, torch.ones_like(image, dtype=torch.bool), label)


def chance(flip: float, turn: float, blur: float = NO_BLUR, sigma: float = 0.5) -> np.ndarray:
    return np.array([[flip, turn, blur, sigma, 0.5, 0.5, KEEP]])


def label_of(image_CHW: torch.Tensor) -> torch.Tensor:
    rows, cols = image_CHW[0].round().long() - 1, image_CHW[1].round().long() - 1
    return ((rows * 3 + cols * 5) % 2).to(torch.uint8)


@pytest.mark.parametrize("flip", [FLIP, KEEP])
@pytest.mark.parametrize("turn", [0.0, 0.3, 0.6, 0.9])
def test_flips_and_quarter_turns_move_image_and_label_together(flip, turn):
    augmented = augment(coded(), chance(flip, turn), PAPER)
    assert torch.equal(augmented.label_BHW[0], label_of(augmented.image_BCHW[0]))
    assert sorted(augmented.image_BCHW[0, 0].flatten().tolist()) == sorted(coded().image_BCHW[0, 0].flatten().tolist())


def test_the_flip_is_vertical():
    """CroFuseNet section II-B names the vertical flip: rows change their order."""
    assert torch.equal(augment(coded(), chance(FLIP, 0.0), PAPER).image_BCHW, coded().image_BCHW.flip(2))


@pytest.mark.parametrize("turn", [0.1, 0.37, 0.81])
def test_any_angle_keeps_label_and_image_aligned(turn):
    """A half-plane stays a half-plane: where the image is well inside it, the label says so."""
    side = 64
    _, cols = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    inside = (cols >= side // 2).float()
    full = torch.ones(1, 1, side, side, dtype=torch.bool)
    batch = Augmented((inside * 2 - 1)[None, None], full, inside.to(torch.uint8)[None])
    augmented = augment(batch, chance(KEEP, turn), BY_ANGLE)
    is_known = augmented.label_BHW != UNKNOWN
    sure = is_known[:, None] & (augmented.image_BCHW.abs() > 0.9)
    assert torch.equal((augmented.image_BCHW > 0)[sure], (augmented.label_BHW == 1)[:, None][sure])
    assert sure.float().mean() > 0.7


def test_what_an_angle_brings_in_from_outside_is_unknown():
    found = augment(coded(), chance(KEEP, 0.125), BY_ANGLE)
    corner = found.label_BHW[0, 0, 0]
    assert corner == UNKNOWN and not found.valid_BCHW[0, :, 0, 0].any() and (found.image_BCHW[0, :, 0, 0] == 0).all()
    centre = found.label_BHW[0, SIDE // 2 - 1 : SIDE // 2 + 1, SIDE // 2 - 1 : SIDE // 2 + 1]
    assert (centre != UNKNOWN).all()


def test_a_quarter_turn_is_the_same_by_either_rotation():
    quarter, by_angle = augment(coded(), chance(KEEP, 0.25), PAPER), augment(coded(), chance(KEEP, 0.25), BY_ANGLE)
    assert torch.equal(quarter.label_BHW, by_angle.label_BHW)
    torch.testing.assert_close(quarter.image_BCHW, by_angle.image_BCHW, atol=1e-4, rtol=0)


@pytest.mark.parametrize("names", [PAPER, BY_ANGLE])
def test_unknown_and_missing_pixels_stay_so(names):
    batch = coded()
    label, valid = batch.label_BHW.clone(), batch.valid_BCHW.clone()
    label[0, 4:8, 4:8] = UNKNOWN
    valid[0, :, 4:8, 4:8] = False
    augmented = augment(Augmented(batch.image_BCHW * valid, valid, label), chance(FLIP, 0.25), names)
    assert (augmented.label_BHW == UNKNOWN).sum() == 16 and (~augmented.valid_BCHW[:, 0]).sum() == 16
    assert torch.equal(augmented.label_BHW == UNKNOWN, ~augmented.valid_BCHW[:, 0])


def test_the_blur_is_a_gaussian():
    """Against scipy, away from the edges, for the largest standard deviation (1 pixel)."""
    rng = np.random.default_rng(0)
    image = rng.standard_normal((1, 2, 32, 32)).astype(np.float32)
    batch = Augmented(torch.from_numpy(image), torch.ones(1, 2, 32, 32, dtype=torch.bool), torch.zeros(1, 32, 32))
    actual = augment(batch, chance(KEEP, 0.0, BLUR, 1.0), PAPER).image_BCHW.numpy()
    expected = gaussian_filter1d(gaussian_filter1d(image, 1.0, axis=2, radius=3), 1.0, axis=3, radius=3)
    np.testing.assert_allclose(actual[..., 4:-4, 4:-4], expected[..., 4:-4, 4:-4], atol=1e-5)


def test_the_blur_keeps_a_constant_to_its_edges_and_around_missing_pixels():
    valid = torch.ones(1, 1, 16, 16, dtype=torch.bool)
    valid[..., 5:9, 5:9] = False
    batch = Augmented(2.0 * valid, valid, torch.zeros(1, 16, 16))
    actual = augment(batch, chance(KEEP, 0.0, BLUR, 0.9), PAPER).image_BCHW
    torch.testing.assert_close(actual, 2.0 * valid)


def test_only_chosen_patches_change():
    drawn = np.vstack([chance(KEEP, 0.0), chance(FLIP, 0.0), chance(KEEP, 0.5), chance(KEEP, 0.0, BLUR)])
    before, after = coded(4).image_BCHW, augment(coded(4), drawn, PAPER).image_BCHW
    assert [torch.equal(before[i], after[i]) for i in range(4)] == [True, False, False, False]


def test_augmenting_leaves_its_input_alone():
    batch = coded()
    augment(batch, chance(FLIP, 0.3, BLUR), PAPER)
    assert torch.equal(batch.image_BCHW, coded().image_BCHW) and torch.equal(batch.label_BHW, coded().label_BHW)


def test_chances_depend_on_seed_epoch_and_patch_and_on_nothing_else():
    patches = np.arange(100)
    full = draws(7, 3, patches)
    assert np.array_equal(draws(7, 3, patches[[42, 5]]), full[[42, 5]])
    assert not np.array_equal(draws(7, 4, patches), full)
    assert not np.array_equal(draws(8, 3, patches), full)


def test_chances_are_uniform_and_unrelated():
    """Means, deviations and correlations of 20,000 draws within five standard errors of the uniform law's."""
    drawn = np.concatenate([draws(0, epoch, np.arange(1000)) for epoch in range(20)])
    assert drawn.min() >= 0 and drawn.max() < 1
    np.testing.assert_allclose(drawn.mean(axis=0), 0.5, atol=5 * 12**-0.5 / len(drawn) ** 0.5)
    np.testing.assert_allclose(drawn.std(axis=0), 12**-0.5, atol=0.01)
    assert np.abs(np.corrcoef(drawn.T) - np.eye(CHANCES)).max() < 5 / len(drawn) ** 0.5
    assert abs(np.corrcoef(drawn[:-1, 0], drawn[1:, 0])[0, 1]) < 5 / len(drawn) ** 0.5


def test_half_are_flipped_and_a_quarter_blurred():
    drawn = draws(0, 0, np.arange(20_000))
    assert (drawn[:, 0] < FLIP_SHARE).mean() == pytest.approx(0.5, abs=0.02)
    assert (drawn[:, 2] < BLUR_SHARE).mean() == pytest.approx(0.25, abs=0.02)


RATIO = 3
EVERY = ("flip", "mirror", "turn")


def scaled(dates: int = 0) -> Augmented:
    """Pixels coded by place; label, true image and its validity RATIO times as fine, from the same places."""
    rows, cols = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    code = (rows * SIDE + cols).float()[None, None]
    fine = code.repeat_interleave(RATIO, -1).repeat_interleave(RATIO, -2)
    image = code[:, None].repeat(1, dates, 2, 1, 1) if dates else code.repeat(1, 2, 1, 1)
    valid = image % 7 != 0
    return Augmented(image * valid, valid, (fine % 2)[:, 0].to(torch.uint8), fine, fine % 7 != 0)


def assert_aligned(found: Augmented) -> None:
    """Each finer pixel still belongs to the coarse one that it was made from."""
    coarse = found.sharp_BCHW[:, 0, ::RATIO, ::RATIO]
    fine = coarse.repeat_interleave(RATIO, -1).repeat_interleave(RATIO, -2)
    assert torch.equal(found.sharp_BCHW[:, 0], fine)
    assert torch.equal(found.label_BHW, (fine % 2).to(torch.uint8))
    assert torch.equal(found.sharp_valid_BCHW[:, 0], fine % 7 != 0)
    planes = found.image_BCHW.flatten(1, -3)
    assert torch.equal(planes, (coarse * (coarse % 7 != 0))[:, None].expand_as(planes))


@pytest.mark.parametrize("dates", [0, 3])
@pytest.mark.parametrize("seed", range(6))
def test_finer_labels_true_images_and_dates_move_with_the_image(dates, seed):
    drawn = draws(seed, 0, np.array([0]))
    augmented = augment(scaled(dates), drawn, EVERY, crop=9)
    assert augmented.image_BCHW.shape[-2:] == (9, 9) and augmented.label_BHW.shape == (1, 9 * RATIO, 9 * RATIO)
    assert_aligned(augmented)


def test_the_mirror_is_horizontal():
    drawn = np.full((1, CHANCES), KEEP)
    drawn[:, 6] = 0
    assert torch.equal(augment(coded(), drawn, ("mirror",)).image_BCHW, coded().image_BCHW.flip(3))


@pytest.mark.long
def test_crops_are_squares_of_the_patch_at_every_place():
    """LandCover3m section 2.3: chips are cropped again in every epoch."""
    places = set()
    for epoch in range(300):
        augmented = augment(coded(2), draws(0, epoch, np.arange(2)), (), crop=13)
        top, left = (augmented.image_BCHW[:, band, 0, 0].long() - 1 for band in (0, 1))
        for patch in range(2):
            at = slice(top[patch], top[patch] + 13), slice(left[patch], left[patch] + 13)
            assert torch.equal(augmented.image_BCHW[patch], coded().image_BCHW[0][:, *at])
            assert torch.equal(augmented.label_BHW[patch], coded().label_BHW[0][at])
            places.add((int(top[patch]), int(left[patch])))
    assert places == {(row, col) for row in range(4) for col in range(4)}


def test_a_crop_larger_than_the_patches_is_refused():
    with pytest.raises(ValueError, match="crop=20: patches have 16 x 16 pixels; set --set crop=16"):
        augment(coded(), draws(0, 0, np.array([0])), (), crop=20)


def test_any_angle_turns_finer_labels_and_images_of_dates_by_the_same():
    """A half-plane at both scales stays one half-plane."""
    side = 32
    inside = (torch.arange(side) >= side // 2).float().expand(1, 2, 1, side, side).contiguous()
    fine = inside[:, 0].repeat_interleave(RATIO, -1).repeat_interleave(RATIO, -2)
    full = torch.ones_like(fine, dtype=torch.bool)
    batch = Augmented(inside, torch.ones_like(inside, dtype=torch.bool), fine[:, 0].to(torch.uint8), fine, full)
    augmented = augment(batch, chance(KEEP, 0.1), ("rotate",))
    coarse = augmented.label_BHW[:, 1::RATIO, 1::RATIO]
    is_known = (coarse != UNKNOWN) & augmented.valid_BCHW[:, 0, 0]
    sure = is_known & ((augmented.image_BCHW[:, 0, 0] < 0.1) | (augmented.image_BCHW[:, 0, 0] > 0.9))
    assert sure.float().mean() > 0.6
    assert torch.equal(augmented.image_BCHW[:, 0, 0][sure] > 0.5, coarse[sure] == 1)
    assert torch.equal(augmented.image_BCHW[:, 0], augmented.image_BCHW[:, 1])
    agreed = augmented.sharp_valid_BCHW[:, 0] & (augmented.label_BHW != UNKNOWN)
    assert ((augmented.sharp_BCHW[:, 0] > 0.5) == (augmented.label_BHW == 1))[agreed].float().mean() > 0.99


def test_shares_stay_shares_at_any_angle():
    share = torch.full((1, SIDE, SIDE), 0.25)
    share[0, :2] = UNKNOWN
    batch = coded()
    augmented = augment(Augmented(batch.image_BCHW, batch.valid_BCHW, share), chance(KEEP, 0.1), ("rotate",))
    assert set(augmented.label_BHW.unique().tolist()) == {0.25, float(UNKNOWN)}


def test_the_blur_leaves_label_and_true_image_alone():
    before = scaled(2)
    augmented = augment(before, chance(KEEP, 0.0, BLUR), ("blur",))
    assert not torch.equal(augmented.image_BCHW, before.image_BCHW)
    assert augmented.label_BHW is before.label_BHW and augmented.sharp_BCHW is before.sharp_BCHW


def test_each_date_is_blurred_as_if_it_were_alone():
    dated = torch.randn(1, 3, 2, SIDE, SIDE)
    valid, label = torch.ones_like(dated, dtype=torch.bool), torch.zeros(1, SIDE, SIDE, dtype=torch.uint8)
    actual = augment(Augmented(dated, valid, label), chance(KEEP, 0.0, BLUR), ("blur",)).image_BCHW
    for date in range(3):
        alone = augment(Augmented(dated[:, date], valid[:, date], label), chance(KEEP, 0.0, BLUR), ("blur",))
        torch.testing.assert_close(actual[:, date], alone.image_BCHW)


def with_radiometry(image: torch.Tensor, drawn: float) -> torch.Tensor:
    """The image with another radiometry; `drawn` decides which."""
    batch = Augmented(image, torch.ones_like(image, dtype=torch.bool), torch.zeros(len(image), 4, 4))
    chances = np.full((len(image), CHANCES), KEEP)
    chances[:, 10] = drawn
    return augment(batch, chances, ("radiometry",)).image_BCHW


@pytest.mark.parametrize("drawn", np.linspace(0, 0.99, 12))
def test_another_radiometry_is_a_gain_and_an_offset_of_each_band(drawn):
    """Found from images of 0, 1 and 2: on a line, within the limits that the constants name."""
    zero, single, two = (with_radiometry(torch.full((1, 5, 4, 4), float(v)), drawn)[0, :, 0, 0] for v in (0, 1, 2))
    torch.testing.assert_close(two - single, single - zero)
    assert ((single - zero - 1).abs() <= GAIN).all() and (zero.abs() <= OFFSET + COMMON + SLOPE).all()
    assert len(set((single - zero).tolist())) == 5


def test_radiometries_slope_along_the_bands_both_ways():
    """Haze lifts the first bands, dry soil the last: over many draws the ends differ by more than offsets explain."""
    zeros = torch.zeros(1, 5, 4, 4)
    ends = np.array([with_radiometry(zeros, drawn)[0, [0, 4], 0, 0].numpy() for drawn in np.linspace(0, 0.999, 400)])
    apart = ends[:, 1] - ends[:, 0]
    assert apart.max() > 2 * OFFSET + 0.2 and apart.min() < -2 * OFFSET - 0.2 and abs(apart.mean()) < 0.1


def test_a_missing_pixel_stays_0_under_another_radiometry():
    batch = coded()
    valid = batch.valid_BCHW.clone()
    valid[:, 1, 2, 3] = False
    image = batch.image_BCHW.masked_fill(~valid, 0.0)
    augmented = augment(Augmented(image, valid, batch.label_BHW), np.full((1, CHANCES), 0.3), ("radiometry",))
    assert augmented.image_BCHW[0, 1, 2, 3] == 0 and torch.equal(augmented.label_BHW, batch.label_BHW)


DUAL = (BandNorm("B4", "reflectance", 0.1, 0.05), BandNorm("VV", "dB", -9.0, 4.0), BandNorm("VH", "dB", -16.0, 5.0))


def speckled(looks: float, *, chosen: float = 0.0, shape: tuple[int, ...] = (1, 3, 128, 128)) -> torch.Tensor:
    """Ground that is -3 dB from the mean in each band, seen with speckle; `looks` is the chance of their number."""
    std = torch.tensor([band.std for band in DUAL])[:, None, None]
    image = (-3 / std).expand(shape).contiguous()
    label = torch.zeros(shape[0], *shape[-2:], dtype=torch.uint8)
    chances = np.full((shape[0], CHANCES), KEEP)
    chances[:, 13], chances[:, 14] = chosen, looks
    chances[:, 15] = np.arange(1, shape[0] + 1) / 2**10
    valid = torch.ones_like(image, dtype=torch.bool)
    valid[..., 0, 0] = False
    image = image.masked_fill(~valid, 0.0)
    return augment(Augmented(image, valid, label, bands=DUAL), chances, ("speckle",)).image_BCHW


def power_of(image: torch.Tensor) -> np.ndarray:
    """Linear power of VV and VH over that of the ground, without the missing pixel."""
    decibels = image[..., 1:, :, :] * torch.tensor([4.0, 5.0])[:, None, None] + 3
    return 10 ** (decibels.flatten(-2)[..., 1:].double().numpy() / 10)


@pytest.mark.parametrize(("chance_of_looks", "looks"), [(0.0, LOOKS[0]), (0.5, np.sqrt(LOOKS[0] * LOOKS[1]))])
def test_speckle_is_multiplicative_with_its_number_of_looks(chance_of_looks, looks):
    """Mean 1 and variance 1 / looks in power (Ulaby et al. 1986), and the skewness of a gamma distribution."""
    power = power_of(speckled(chance_of_looks))
    deviation = power - 1
    assert abs(deviation.mean()) < 0.01 and power.var() == pytest.approx(1 / looks, rel=0.05)
    assert (deviation**3).mean() / power.std() ** 3 == pytest.approx(2 / np.sqrt(looks), rel=0.15)


def test_speckle_of_pixels_bands_dates_and_patches_is_their_own():
    power = power_of(speckled(0.0, shape=(2, 2, 3, 64, 64))).reshape(8, -1)
    apart = np.corrcoef(power)[np.triu_indices(8, 1)]
    assert np.abs(apart).max() < 0.1
    assert abs(np.corrcoef(power[:, 1:].ravel(), power[:, :-1].ravel())[0, 1]) < 0.05


def test_speckle_leaves_optical_bands_missing_pixels_and_other_patches_alone():
    ground, seen = speckled(0.0, chosen=SPECKLE_SHARE), speckled(0.0)
    assert len(ground[0, 1, 1:].unique()) == 1
    assert torch.equal(seen[:, 0], ground[:, 0]) and (seen[..., 0, 0] == 0).all()

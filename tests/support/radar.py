"""Sentinel-1 worked out with numpy alone, NaN where masked: filters, stacks and slopes in the papers' symbols.

Every function sees all windows of an image at once (float64, [row, column]); nothing is shared with the graphs.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def quiet(function):
    """Windows without a pixel, and 0 / 0, are NaN without a word."""

    def called(*arguments):
        import warnings

        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            return function(*arguments)

    return called


def windows(x: np.ndarray, k: int) -> np.ndarray:
    """[row, column, k, k], NaN beyond the image."""
    return sliding_window_view(np.pad(x, k // 2, constant_values=np.nan), (k, k))


def moments(parts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.nanmean(parts, axis=(-2, -1)), np.nanvar(parts, axis=(-2, -1))


def mmse(x, m, v, eta2):
    """Equation 3: (1 - b) m + b x."""
    vx = np.maximum((v - m**2 * eta2) / (1 + eta2), 0)
    b = np.where(v > 0, vx / v, 0)
    return (1 - b) * m + b * x


@quiet
def boxcar(x, k):
    return np.where(np.isnan(x), np.nan, moments(windows(x, k))[0])


@quiet
def lee(x, k):
    return mmse(x, *moments(windows(x, k)), 1 / 5)


def _gamma(x, k, bracket):
    m, v = moments(windows(x, k))
    looks = 5
    ci, cu = np.sqrt(v) / m, 1 / np.sqrt(looks)
    alpha = (1 + cu**2) / (ci**2 - cu**2)
    q = bracket(m, alpha, looks) ** 2 + 4 * alpha * looks * m * x
    middle = (m * (alpha - looks - 1) + np.sqrt(q)) / (2 * alpha)
    places = np.where(ci <= cu, m, np.where(ci >= np.sqrt(2) * cu, x, middle))
    return np.where(np.isnan(x), np.nan, places)


@quiet
def gamma_map(x, k):
    """Equation 4, the standard bracket."""
    return _gamma(x, k, lambda m, alpha, looks: m * (alpha - looks - 1))


@quiet
def gamma_map_gee_s1_ard(x, k):
    """Equation 4 as gee_s1_ard has it."""
    return _gamma(x, k, lambda m, alpha, looks: m * (m * alpha - looks - 1))


@quiet
def lee_sigma(x, k, z98):
    """Equation 6; Lee et al. 2009, section III."""
    prior = mmse(x, *moments(windows(x, 3)), 1 / 4)
    around = windows(x, k)
    inside = (around >= 0.378 * prior[..., None, None]) & (around <= 2.094 * prior[..., None, None])
    m, v = moments(np.where(inside, around, np.nan))
    places = np.where(inside.any(axis=(-2, -1)), mmse(x, m, v, 0.3991**2), prior)
    crowd = (windows(x, 3) > z98).sum(axis=(-2, -1))
    return np.where((x > z98) & (crowd >= 7), x, places)


def shifted(x, row, col):
    """The pixel `row` below and `col` to the right, NaN beyond the image."""
    padded = np.pad(x, 2, constant_values=np.nan)
    return padded[2 + row : 2 + row + x.shape[0], 2 + col : 2 + col + x.shape[1]]


@quiet
def refined_lee(x, k):
    """Equation 5; Lee 1981: eight half windows, numbered clockwise from north."""
    x = np.pad(x, 3, constant_values=np.nan)  # windows beyond the image still hold pixels of it
    m3, v3 = moments(windows(x, 3))
    ratio = v3 / m3**2
    places = [(r, c) for r in (-2, 0, 2) for c in (-2, 0, 2)]
    s = {at: np.where(np.isnan(shifted(m3, *at)), m3, shifted(m3, *at)) for at in places}
    ratios = np.stack([np.where(np.isnan(shifted(ratio, *at)), ratio, shifted(ratio, *at)) for at in places])
    noise = np.sort(ratios, axis=0)[:5].mean(axis=0)
    compass = [(-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1)]
    means = [s[2 * r, 2 * c] for r, c in compass]
    axis = np.argmax([np.abs(means[i] - means[i + 4]) for i in range(4)], axis=0)
    direction = axis.copy()
    for i in range(4):
        behind = np.abs(means[i] - s[0, 0]) > np.abs(means[i + 4] - s[0, 0])
        direction[(axis == i) & behind] = i + 4
    rows, cols = np.mgrid[-3:4, -3:4]
    around, m, v = windows(x, 7), np.full(x.shape, np.nan), np.full(x.shape, np.nan)
    for i, (r, c) in enumerate(compass):
        half = np.where(rows * r + cols * c >= 0, around[direction == i], np.nan)
        m[direction == i], v[direction == i] = moments(half)
    return mmse(x, m, v, noise)[3:-3, 3:-3]


def none(x, k):
    return x


FILTERS = {
    "none": none,
    "boxcar": boxcar,
    "lee": lee,
    "refined_lee": refined_lee,
    "gamma_map": gamma_map,
    "gamma_map_gee_s1_ard": gamma_map_gee_s1_ard,
}


def filtered(name: str, x: np.ndarray, k: int, z98: float | None = None) -> np.ndarray:
    """A filter by its name; lee_sigma needs the scene's 98th percentile."""
    return lee_sigma(x, k, z98) if name == "lee_sigma" else FILTERS[name](x, k)


@quiet
def quegan_yu(own: np.ndarray, stack: list[np.ndarray], smooth) -> np.ndarray:
    """Equation 7: E[I_k] / N sum_i I_i / E[I_i], N the images that a pixel has."""
    return smooth(own) * np.nanmean([each / smooth(each) for each in stack], axis=0)


@quiet
def flattened(sigma, theta_deg, toward_deg, height, step_m, model):
    """Vollrath et al. 2020, equations 1 to 7, in angles: gamma nought, NaN in layover and shadow and at the edges."""
    theta = np.radians(theta_deg)
    down_south, down_east = np.full(height.shape, np.nan), np.full(height.shape, np.nan)
    down_south[1:-1] = (height[:-2] - height[2:]) / (2 * step_m)
    down_east[:, 1:-1] = (height[:, :-2] - height[:, 2:]) / (2 * step_m)
    slope, aspect = np.arctan(np.hypot(down_east, down_south)), np.arctan2(down_east, -down_south)
    phi = np.radians(toward_deg) - aspect
    alpha_r, alpha_az = np.arctan(np.tan(slope) * np.cos(phi)), np.arctan(np.tan(slope) * np.sin(phi))
    right = np.pi / 2
    if model == "volume":
        brightened = np.tan(right - theta + alpha_r) / np.tan(right - theta)
    else:
        brightened = np.cos(right - theta) / (np.cos(alpha_az) * np.cos(right - theta + alpha_r))
    seen = (alpha_r < theta) & (alpha_r > theta - right)
    return np.where(seen, sigma / np.cos(theta) / brightened, np.nan)

"""Cloud masks of Sentinel-2 as Earth Engine graphs: what each counts as clear, and how it ranks observations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from isamap.gee_export.base.regions import Period
from isamap.gee_export.earth_engine import archives, session
from isamap.gee_export.sentinel import shadows
from isamap.gee_export.sentinel.scenes import Scene

if TYPE_CHECKING:
    import ee

CLOUD_SCORE_PLUS = "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED"
S2CLOUDLESS = "COPERNICUS/S2_CLOUD_PROBABILITY"
OMNICLOUDMASK = "OMNICLOUDMASK/S2"  # computed by the local engine (local_ee/catalog/cloud_classes.py)
# SCL classes that hide the ground: 1 saturated or defective, 3 shadow, 8 and 9 cloud, 10 cirrus (S2_SR catalog page)
SCL_HIDDEN = (1, 3, 8, 9, 10)
QA60_BITS = 1 << 10 | 1 << 11  # opaque clouds, cirrus (S2_SR catalog page)
QA60_GAP = (date(2022, 1, 25), date(2024, 2, 28))  # same page: masked in this time
CLOUD_PROBABILITY_BAND = "MSK_CLDPRB"  # percents of Sen2Cor, 20 m (S2_SR catalog page)
SUN_AZIMUTH = "MEAN_SOLAR_AZIMUTH_ANGLE"
GRID_BAND = "B2"  # whose 10-m lattice is the scene's own
# Ours: each request must know the ground so far around itself, so a larger reach costs more.
FAR_M = 1500  # from a hidden pixel: farther away nothing is clearer


@dataclass(frozen=True)
class Clearness:
    """What counts as clear.

    clear: least cs_cdf of Cloud Score+ (its page recommends 0.50 to 0.65). The others are of s2cloudless and
    cldprb: cloud_probability, percent above which there is cloud; a shadow is where B8 is below the reflectance
    dark_nir within shadow_km of a cloud, away from the sun; cloud_buffer_m is hidden around both.
    """

    # Within the page's range, and no simulated cloud passes it, for 14.9 % of clear ground hidden; 0.50 lets 1.4 % of
    # cloud and 42.5 % of shadow through (benchmarks/clouds.py, docs/sentinel2.md).
    clear: float = 0.60
    # Lets 0.3 % of simulated cloud through, where 65 % lets 1.4 % (benchmarks/clouds.py, docs/sentinel2.md).
    cloud_probability: int = 50
    # Small, as asphalt and dark roofs are dark in B8 too: 0.20 misses 19.6 in place of 26.4 % of shadow, and hides 1.1
    # in place of 0.2 % of clear ground (benchmarks/clouds.py).
    dark_nir: float = 0.15
    # 4 km misses 14.7 in place of 26.4 % of shadow, and hides 0.8 in place of 0.2 % of clear ground (the same program).
    shadow_km: float = 2.0
    cloud_buffer_m: int = 50

    def __post_init__(self) -> None:
        limits = {
            "clear": (0, 1),
            "cloud_probability": (0, 100),
            "dark_nir": (0, 1),
            "shadow_km": (0.1, 10),
            "cloud_buffer_m": (0, 1000),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} {value}: expected {low} to {high}")


Graph = Callable[["ee.Image", Clearness, str], "ee.Image"]  # of a scene with its linked bands, and its level


@dataclass(frozen=True)
class CloudMask:
    """A mask. clear: 1 where the ground is seen, else 0 (None: everywhere); score: 0 to 1, higher is clearer.

    rough: as `clear`, without what needs a lattice of its own, for coarse pictures (guides/best_practices, "Avoid
    reproject()": all pixels of that lattice would be computed); None where `clear` is such already.
    ranked_by says what the score is. product and band: the linked collection. own: the scene's own band that it looks
    at. wants: properties that a scene must have. level: the only one that can be masked so, or None. gap: days in
    which there is nothing to mask by. archived: whether the public archives (`--catalog open`) hold what it looks at.
    computed: the product is made on this machine, of real scenes.
    """

    words: Callable[[Clearness], str]
    clear: Graph | None
    score: Graph
    ranked_by: str
    product: str | None = None
    band: str | None = None
    own: str | None = None
    wants: tuple[str, ...] = ()
    level: str | None = None
    gap: tuple[date, date] | None = None
    rough: Graph | None = None
    archived: bool = False
    computed: bool = False


def linked(images: ee.ImageCollection, mask: CloudMask) -> ee.ImageCollection:
    """The scenes with the mask's band; a scene without a partner gets it wholly masked (so leave those out before)."""
    import ee

    if mask.product is None or mask.band is None:
        return images
    # By system:index, which Cloud Score+ and s2cloudless share with L1C and L2A (docs/reference/earth-engine.md).
    return images.linkCollection(ee.ImageCollection(mask.product), [mask.band])


def check(name: str) -> None:
    """ValueError for unknown cloud masks."""
    if name not in CLOUDS:
        raise ValueError(f"cloud mask {name!r}: expected one of {', '.join(CLOUDS)}")


def check_period(name: str, period: Period) -> None:
    """ValueError where the period touches days of which the mask knows nothing."""
    gap = CLOUDS[name].gap
    # A period that only touches the gap is refused too: its masked days would enter the mean with their clouds.
    if gap and period.start <= gap[1] and period.end > gap[0]:
        raise ValueError(
            f"cloud mask {name} cannot be used for {period}: Earth Engine holds no {name.upper()} from {gap[0]} to "
            f"{gap[1]} (the band is masked, so clouds would count as clear); choose cloud_score_plus or s2cloudless"
        )


def check_server(name: str) -> None:
    """ValueError with the remedy where the mask is computed on this machine, and here it cannot be."""
    if not CLOUDS[name].computed:
        return
    connected = session.current()
    if connected is None or not connected.is_local or connected.simulated:
        raise ValueError(
            f"cloud mask {name} is computed on this machine, of real scenes: give --catalog open or a folder of "
            "images, or choose cloud_score_plus"
        )
    archives.check_cloud_network()


def check_level(name: str, level: str) -> None:
    """ValueError where scenes of the level lack what the mask looks at."""
    only = CLOUDS[name].level
    if only not in (None, level):
        raise ValueError(
            f"cloud mask {name} needs Sentinel-2 {only}, and {level} has no such band: "
            f"choose cloud_score_plus or s2cloudless"
        )


def check_scene(scene: Scene, mask: CloudMask) -> None:
    """ValueError where a scene lacks the band that the mask looks at, or a property that its shadows need."""
    if mask.own is not None and mask.own not in scene.bands:
        raise ValueError(
            f"scene {scene.index} has no band {mask.own}, which its clouds are told by: choose another mask"
        )
    if lacking := [name for name in mask.wants if scene.get(name) is None]:
        raise ValueError(f"scene {scene.index} has no {lacking[0]}, which its shadows need: choose another mask")


def _score_plus_clear(image: ee.Image, rule: Clearness, level: str) -> ee.Image:
    return image.select("cs_cdf").gte(rule.clear)


def _score_plus(image: ee.Image, rule: Clearness, level: str) -> ee.Image:
    return image.select("cs_cdf")


def _probability_clear(band: str) -> Graph:
    """Neither cloud nor its shadow, with the buffer; reckoned on the scene's own 20-m lattice.

    band: percents of cloud probability.
    """

    def clear(image: ee.Image, rule: Clearness, level: str) -> ee.Image:
        cloud = image.select(band).gt(rule.cloud_probability)
        # Scenes hold reflectance x 10,000, in both levels.
        dark = image.select("B8").lt(rule.dark_nir * 1e4)
        if level == "L2A":
            dark = dark.And(image.select("SCL").neq(6))  # 6: water, which is as dark (L1C does not know it)
        grid = image.select(GRID_BAND).projection()
        azimuth_deg = image.getNumber(SUN_AZIMUTH)
        cast = shadows.cast(cloud, azimuth_deg, grid, reach_m=rule.shadow_km * 1000)
        return shadows.buffered(cloud.Or(cast.And(dark)), grid, buffer_m=rule.cloud_buffer_m).Not()

    return clear


def _probability_rough(band: str) -> Graph:
    return lambda image, rule, level: image.select(band).lte(rule.cloud_probability)


def _probability(band: str) -> Graph:
    return lambda image, rule, level: image.select(band).multiply(-0.01).add(1)


def _probability_words(name: str) -> Callable[[Clearness], str]:
    return lambda rule: (
        f"{name} probability <= {rule.cloud_probability} %, shadows B8 < {rule.dark_nir:g} within "
        f"{rule.shadow_km:g} km, buffer {rule.cloud_buffer_m} m"
    )


def _scl_clear(image: ee.Image, rule: Clearness, level: str) -> ee.Image:
    classes = image.select("SCL")
    hidden = classes.eq(SCL_HIDDEN[0])
    for value in SCL_HIDDEN[1:]:
        hidden = hidden.Or(classes.eq(value))
    return hidden.Not()


def _omnicloudmask_clear(image: ee.Image, rule: Clearness, level: str) -> ee.Image:
    return image.select("classes").eq(0)


def _qa60_clear(image: ee.Image, rule: Clearness, level: str) -> ee.Image:
    return image.select("QA60").bitwiseAnd(QA60_BITS).eq(0)


def _distance(clear: Graph, step_m: int) -> Graph:
    """The distance to the nearest hidden pixel, up to FAR_M, as a share of that.

    It is counted on the mask's own pixels: coarser ones would come from a pyramid, in which classes are averaged.
    """
    reach_px = FAR_M // step_m

    def score(image: ee.Image, rule: Clearness, level: str) -> ee.Image:
        grid = image.select(GRID_BAND).projection().atScale(step_m)
        squared = clear(image, rule, level).Not().fastDistanceTransform(reach_px).reproject(grid)
        # No hidden pixel within reach is the best score and not a missing one, or clear skies would be no ground.
        return squared.unmask(reach_px**2, False).min(reach_px**2).sqrt().divide(reach_px)

    return score


def _greenness(image: ee.Image, rule: Clearness, level: str) -> ee.Image:
    return image.normalizedDifference(["B8", "B4"]).add(1).divide(2)


PROBABILITY_WORDS = "100 % - cloud probability"
DISTANCE_WORDS = f"distance to the nearest hidden pixel, up to {FAR_M} m"
CLOUDS: dict[str, CloudMask] = {
    "cloud_score_plus": CloudMask(
        words=lambda rule: f"Cloud Score+ cs_cdf >= {rule.clear:.2f}",
        clear=_score_plus_clear,
        score=_score_plus,
        ranked_by="cs_cdf",
        product=CLOUD_SCORE_PLUS,
        band="cs_cdf",
    ),
    "s2cloudless": CloudMask(
        words=_probability_words("s2cloudless"),
        clear=_probability_clear("probability"),
        score=_probability("probability"),
        ranked_by=PROBABILITY_WORDS,
        product=S2CLOUDLESS,
        band="probability",
        rough=_probability_rough("probability"),
        wants=(SUN_AZIMUTH,),
    ),
    "scl": CloudMask(
        words=lambda rule: f"SCL not in {list(SCL_HIDDEN)}",
        clear=_scl_clear,
        score=_distance(_scl_clear, 20),
        ranked_by=DISTANCE_WORDS,
        own="SCL",
        level="L2A",
        archived=True,
    ),
    "cldprb": CloudMask(
        words=_probability_words("Sen2Cor"),
        clear=_probability_clear(CLOUD_PROBABILITY_BAND),
        score=_probability(CLOUD_PROBABILITY_BAND),
        rough=_probability_rough(CLOUD_PROBABILITY_BAND),
        ranked_by=PROBABILITY_WORDS,
        own=CLOUD_PROBABILITY_BAND,
        wants=(SUN_AZIMUTH,),
        level="L2A",
        archived=True,
    ),
    "omnicloudmask": CloudMask(
        words=lambda rule: "OmniCloudMask without thick cloud, thin cloud, shadow",
        clear=_omnicloudmask_clear,
        score=_distance(_omnicloudmask_clear, 10),
        ranked_by=DISTANCE_WORDS,
        product=OMNICLOUDMASK,
        band="classes",
        level="L2A",
        archived=True,
        computed=True,
    ),
    "qa60": CloudMask(
        words=lambda rule: "QA60 without bits 10 and 11",
        clear=_qa60_clear,
        score=_distance(_qa60_clear, 60),
        ranked_by=DISTANCE_WORDS,
        own="QA60",
        gap=QA60_GAP,
    ),
    "none": CloudMask(
        words=lambda rule: "none",
        clear=None,
        score=_greenness,
        ranked_by="NDVI (nothing tells clouds; they are the least green)",
        archived=True,
    ),
}

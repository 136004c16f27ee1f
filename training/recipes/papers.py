"""The papers' settings exactly; what a paper does not say is marked "ours" in the recipe's docstring."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from isamap.training.recipes.recipe import Recipe

PAPER_BANDS = ("B2", "B3", "B4", "B8", "VV", "VH")
# LandCover3m section 3.2: weight 3 for impervious ground, the fifth of the seven classes
SEVEN_WEIGHTS = (1.0, 1.0, 1.0, 1.0, 3.0, 1.0, 1.0)
CLASSIC_WIDTHS = (64, 128, 256, 512, 1024)
# ours: tried with two seeds beside weights of 0 (training/LOG.md)
IMAGE_WEIGHTS: Mapping[str, float] = {"sharp": 0.5, "low": 0.1}
LEAST_HIDDEN = 4  # units of channel attention: a block of one or two often starts dead (training/LOG.md)
# Ours: 6,992,046 parameters, JointSeg's 6,680,084, so that the two differ in design and not in size.
SEVEN_LEVELS = (24, 36, 60, 100, 160, 256, 352)
MOVES = ("flip", "mirror", "turn")


def crofusenet() -> Recipe:
    """CroFuseNet (its section IV-A): Adam 1e-4, poly 0.9, batch 32, at most 400 epochs, early stopping after 50.

    Bands are the paper's (Table I); loss 1 / 1 / 0.8; vertical flip, rotation, blur. Ours: channel attention has four
    hidden units at least, where r = 16 leaves 2 of level 1's 32 channels, which may both start dead;
    model.least_hidden=1 is the paper's network.
    """
    weights = {"alpha": 1.0, "beta": 0.8}
    config = {"least_hidden": LEAST_HIDDEN}
    return Recipe("crofusenet", "crofusenet", config, loss="crofuse", loss_values=weights, bands=PAPER_BANDS)


def unet() -> Recipe:
    """CroFuseNet's strongest baseline: a U-Net of the same widths on the stacked bands, with the same settings."""
    return Recipe("unet", "unet", bands=PAPER_BANDS)


def unet64() -> Recipe:
    """U-Net of the original's widths (64 to 1024) with CroFuseNet's settings."""
    return replace(unet(), name="unet64", config={"widths": CLASSIC_WIDTHS})


def fcn8s() -> Recipe:
    """CroFuseNet's FCN baseline on VGG-16 with dense layers of 4096, as its reference has it; CroFuseNet's settings."""
    return replace(unet(), name="fcn8s", model="fcn8s", config={"fc": 4096})


def fcn_resnet50() -> Recipe:
    """FCN on ResNet-50 with CroFuseNet's settings."""
    return replace(unet(), name="fcn_resnet50", model="fcn_resnet50")


def deeplabv3plus() -> Recipe:
    """CroFuseNet's DeepLabV3+ baseline with CroFuseNet's settings."""
    return replace(unet(), name="deeplabv3plus", model="deeplabv3plus")


def hrnet_crofusenet() -> Recipe:
    """CroFuseNet's HRNet baseline with CroFuseNet's settings: W48 with the original's stem, as its reference has it.

    Ours: which width CroFuseNet took is not printed; the stem is normalised by batch.
    """
    config = {"classes": 2, "width": 48, "stem": "hrnet", "norm": "batch", "window": 128}
    return replace(unet(), name="hrnet-crofusenet", model="hrnet", config=config)


def random_forest() -> Recipe:
    """CroFuseNet's random forest on single pixels; its settings are not printed.

    Ours: 100 trees on 100,000 pixels, drawn in the classes' shares, with 10 pixels in a leaf at least: on the world's
    labels better than whole trees (training/LOG.md), a fifth of their size.
    """
    return Recipe("random_forest", "random_forest", bands=PAPER_BANDS, augment=())


def svm() -> Recipe:
    """CroFuseNet's support vector machine on single pixels; its settings are not printed.

    Ours: radial kernel, c = 1, 20,000 pixels, drawn in the classes' shares.
    """
    return Recipe("svm", "svm", bands=PAPER_BANDS, augment=())


def runetpp() -> Recipe:
    """RU-Net++ as its Table 2 has it, with channel attention in Stage 3, 0.7 Dice + 0.3 focal loss, on whatever bands
    the dataset holds.

    Ours, because the paper prints none of it: CroFuseNet's optimiser and schedule, batch 16, 200 epochs, flips and
    turns.
    """
    weights = {"dice": 0.7, "focal": 0.3}
    loss: dict[str, Any] = {"loss": "dice_focal", "loss_values": weights}
    config = {"channel_att_at": "stage3", "least_hidden": LEAST_HIDDEN}
    return Recipe("runetpp", "runetpp", config, **loss, batch=16, epochs=200, augment=MOVES)


def hrnet() -> Recipe:
    """LandCover3m section 3.2: HRNet on seven classes, impervious weighted 3, SGD 0.01 with momentum 0.9, 120 epochs,
    batch 32, random crops of 1024-pixel chips.

    Ours: crops of 512 pixels where the paper has 513, a multiple of what the network halves; poly 0.9 and weight decay
    5e-4 (docs/reference/networks.md, "HRNet: training"); no early stopping, no other augmentation. A batch is computed
    in two parts, each weighted by its own classes: whole, a step takes 129 GiB.
    """
    return Recipe(
        "hrnet",
        "hrnet",
        config={"classes": 7},
        loss="weighted_cross_entropy",
        loss_values={"weights": SEVEN_WEIGHTS},
        scheme="landcover3m",
        epochs=120,
        patience=120,
        optimiser="sgd",
        lr=0.01,
        weight_decay=5e-4,
        augment=(),
        crop=512,
        accumulate=2,
    )


def unet_landcover3m() -> Recipe:
    """LandCover3m's U-Net baseline with its settings."""
    config = {"classes": 7, "widths": CLASSIC_WIDTHS}
    return replace(hrnet(), name="unet-landcover3m", model="unet", config=config, accumulate=1)


def fcdensenet() -> Recipe:
    """LandCover3m's FC-DenseNet baseline with its settings; size 67, as no 64 was published.

    Ours: a batch is computed in four parts, so that batch normalisation sees 8 crops at a time: whole, a step takes 282
    GiB.
    """
    return replace(hrnet(), name="fcdensenet", model="fcdensenet", config={"classes": 7}, accumulate=4)


def jointseg() -> Recipe:
    """JointSeg from 10-m bands to labels at 1 m; sharpens the image while it segments.

    The paper's settings are not known: optimiser, schedule, averaged weights and losses are ours
    (docs/reference/networks.md, "JointSeg"). Where a dataset has no 1-m image, training says so and sets sharp to 0.
    """
    return Recipe(
        "jointseg",
        "jointseg",
        loss="jointseg",
        loss_values=IMAGE_WEIGHTS,
        target="fine",
        epochs=200,
        batch=16,
        optimiser="adamw",
        lr=3e-4,
        weight_decay=1e-2,
        clip=1.0,
        ema=0.999,
        augment=MOVES,
    )


def bilinear_unet() -> Recipe:
    """What the JointSeg paper compares with: bands enlarged bilinearly, then a U-Net; of JointSeg's size and budget.

    Widths are ours: 6.8 M parameters (JointSeg's 6.7 M), which cost 2.3 x its operations.
    """
    config = {"widths": (30, 60, 120, 240, 480)}
    return replace(
        jointseg(), name="bilinear-unet", model="bilinear_unet", config=config, loss="cross_entropy", loss_values={}
    )


def bilinear_unet_deep() -> Recipe:
    """The bilinear comparison with more context: seven levels see 39 pixels of 10 m around a tile.

    JointSeg sees 102 and the five levels of bilinear-unet 10; on patches of 32 pixels both this one and JointSeg see
    the whole patch. Widths are ours: 7.0 M parameters, 0.9 of JointSeg's operations.
    """
    config = {"widths": SEVEN_LEVELS}
    return replace(bilinear_unet(), name="bilinear-unet-deep", config=config)


def progesrgan() -> Recipe:
    """JointSeg's cascade: Prog-ESRGAN sharpens, a U-Net segments, a discriminator tells made images from true ones.

    Settings of docs/reference/networks.md, "Prog-ESRGAN" (Satlas): Adam 1e-4 (0.9, 0.99), averaged weights 0.999,
    absolute difference 1, adversarial 0.1, no perceptual term. Ours: 200 epochs, and batches of 16 (Satlas's 32 take
    199 GiB).
    """
    return Recipe(
        "progesrgan",
        "progesrgan",
        loss="cascade",
        loss_values={"sharp": 1.0, "adversarial": 0.1},
        target="fine",
        epochs=200,
        batch=16,
        beta2=0.99,
        ema=0.999,
        augment=MOVES,
    )


# name -> what makes the recipe
RECIPES: dict[str, Callable[[], Recipe]] = {
    "crofusenet": crofusenet,
    "unet": unet,
    "unet64": unet64,
    "fcn8s": fcn8s,
    "fcn_resnet50": fcn_resnet50,
    "deeplabv3plus": deeplabv3plus,
    "hrnet-crofusenet": hrnet_crofusenet,
    "random_forest": random_forest,
    "svm": svm,
    "runetpp": runetpp,
    "hrnet": hrnet,
    "unet-landcover3m": unet_landcover3m,
    "fcdensenet": fcdensenet,
    "jointseg": jointseg,
    "bilinear-unet": bilinear_unet,
    "bilinear-unet-deep": bilinear_unet_deep,
    "progesrgan": progesrgan,
}

"""Public archives as the engine's catalog."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from local_ee.catalog import AssetInfo, BoundsWSEN, SourceImage, cloud_classes
from local_ee.catalog.boxes import boxes, touches
from local_ee.home import default_home
from local_ee.open import africa, notes, sentinel1, sentinel2
from local_ee.open.blocks import Blocks
from local_ee.open.cog import Cogs, Head
from local_ee.open.errors import ArchiveFault, Missing
from local_ee.open.flights import together
from local_ee.open.hosts import Hosts
from local_ee.open.notes import Note
from local_ee.open.products import ADDRESSED, IDS, SEARCHED, Searched, refusal
from local_ee.open.providers import DE_AFRICA_S1, HOSTS, PC_S1, SENTINEL2, Provider
from local_ee.open.questions import of_tile_month, whole_days
from local_ee.open.scenes import Scene, image_of, with_property
from local_ee.open.stac import Question, Searches
from local_ee.open.tokens import Tokens
from local_ee.open.turns import Turns
from local_ee.open.twins import once

LONGEST_PERIOD = timedelta(days=800)
_MOST_NOTES, _MOST_KNOWN, _MOST_ANSWERS = 10_000, 50_000, 64
_ANSWER_S = 3_600.0  # scenes of a search stay in memory so long
_EVER = float("inf")
_MAKERS: Mapping[str, Callable[[Mapping[str, Any], Provider], Scene | None]] = {
    **{provider.name: sentinel2.scene_of for provider in SENTINEL2},
    PC_S1.name: sentinel1.scene_of,
    DE_AFRICA_S1.name: africa.scene_of,
}


class OpenCatalog:
    """The Catalog of public archives. folder: what was fetched is kept there, for other processes and later runs.

    offline: nothing is fetched, and what is not kept is an error. without: names of providers that are not asked.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        offline: bool = False,
        without: Sequence[str] = (),
        hosts: Hosts | None = None,
    ) -> None:
        self.folder = folder or default_home() / "open"
        self.hosts = hosts or Hosts(HOSTS, offline=offline)
        self.without = tuple(without)
        blocks = Blocks(self.folder / "blocks")
        # A bound of their own: pixels would push them out.
        searches = Blocks(self.folder / "searches", bound_bytes=1 << 30)
        self._searches = Searches(self.hosts, searches)
        self._turns = Turns(searches, offline=self.hosts.offline)
        self._cogs = Cogs(self.hosts, blocks, Tokens(self.hosts))
        self._answers: OrderedDict[Any, tuple[float, list[Scene]]] = OrderedDict()
        self._known: OrderedDict[str, Scene] = OrderedDict()
        self._notes: OrderedDict[tuple[str, str, str], Note] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def known_ids(self) -> tuple[str, ...]:
        """The collections that are served."""
        return IDS

    def notes(
        self,
        collection_id: str | None = None,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        bounds_wsen: BoundsWSEN | None = None,
    ) -> tuple[Note, ...]:
        """The scenes that were left out so far, each with its reason; of one collection, of a period or box as `images`
        takes them.
        """
        first, last = -_EVER if start_ms is None else start_ms, _EVER if end_ms is None else end_ms
        with self._lock:
            noted = [note for note in self._notes.values() if collection_id in (None, note.collection)]
        return tuple(note for note in noted if note.is_within(first, last, bounds_wsen))

    def describe(self, asset_id: str) -> AssetInfo | None:
        """What an id is, or None; ValueError with the remedy for a public product that no archive has."""
        _check_served(asset_id)
        if asset_id in (*IDS, cloud_classes.COLLECTION):
            return AssetInfo(asset_id, "IMAGE_COLLECTION", {})
        image = self.image(asset_id)
        return None if image is None else AssetInfo(asset_id, "IMAGE", image.properties)

    def image(self, image_id: str) -> SourceImage | None:
        """One image, or None; the archives are searched where it was not listed before."""
        _check_served(image_id)
        if cloud_classes.holds(image_id):
            return cloud_classes.image_of(self.image(cloud_classes.scene_id(image_id)))
        collection, _, index = image_id.rpartition("/")
        if collection in ADDRESSED:
            return ADDRESSED[collection].image(index, self._cogs)
        if collection not in SEARCHED:
            return None
        with self._lock:
            scene = self._known.get(image_id)
        if scene is None:
            question = _question_of(collection, index)
            scenes = [] if question is None else self._scenes(SEARCHED[collection], [question])
            scene = next((each for each in scenes if each.index == index), None)
        return None if scene is None else image_of(scene, self._cogs)

    def images(
        self, collection_id: str, start_ms: int | None, end_ms: int | None, bounds_wsen: BoundsWSEN | None
    ) -> Sequence[SourceImage]:
        """A collection's images that begin in [start_ms, end_ms) and touch the bounds, in order of time then index.

        ValueError where bounds are missing, for scenes also where a period is; a scene that lacks a file is left out
        and noted.
        """
        _check_served(collection_id)
        if collection_id == cloud_classes.COLLECTION:
            return cloud_classes.images(self.images, start_ms, end_ms, bounds_wsen)
        if collection_id not in IDS:
            return ()
        if bounds_wsen is None:
            raise ValueError(f"{collection_id} of open archives has no end: filter it by bounds (filterBounds)")
        if collection_id in ADDRESSED:
            first, last = -_EVER if start_ms is None else start_ms, _EVER if end_ms is None else end_ms
            parts = [ADDRESSED[collection_id].images(first, last, bounds, self._cogs) for bounds in boxes(bounds_wsen)]
            images = {image.id: image for of_box in parts for image in of_box}.values()
            return sorted(images, key=lambda each: (each.properties["system:time_start"], each.id))
        if start_ms is None or end_ms is None:
            raise ValueError(f"{collection_id} of open archives has no end: filter it by dates too (filterDate)")
        scenes = self._turns.scenes(
            SEARCHED[collection_id],
            lambda product: self._present(product.id, self._found(product, start_ms, end_ms, bounds_wsen)),
        )
        return [image_of(scene, self._cogs) for scene in scenes]

    def _found(self, product: Searched, start_ms: int, end_ms: int, bounds_wsen: BoundsWSEN) -> list[Scene]:
        """The scenes of a period and box, each once, in order."""
        start, end = (datetime.fromtimestamp(ms / 1000, UTC) for ms in (start_ms, end_ms))
        if end - start > LONGEST_PERIOD:
            raise ValueError(
                f"{product.id}: {(end - start).days} days are asked at once; at most {LONGEST_PERIOD.days}: ask by "
                "years"
            )
        if start >= end:
            return []
        scenes = self._scenes(product, [whole_days(start, end, bounds) for bounds in boxes(bounds_wsen)])
        inside = [s for s in scenes if start_ms <= s.start_ms < end_ms and touches(s.footprint, bounds_wsen)]
        return sorted(inside, key=lambda scene: (scene.start_ms, scene.index))

    def _scenes(self, product: Searched, questions: Sequence[Question]) -> list[Scene]:
        """The scenes of all providers, without twins; twins and those that cannot be used are noted."""
        providers = [each for each in product.providers if each.name not in self.without]
        pairs = [
            (provider, question)
            for provider in providers
            for question in questions
            if (provider.ends is None or question.start < provider.ends) and question.touches(provider.area_wsen)
        ]
        answers = together(lambda pair: self._answer(product.id, *pair), pairs)
        # A scene that touches several boxes comes with each one's answer.
        scenes = {(scene.provider, scene.properties["open:item"]): scene for answer in answers for scene in answer}
        kept, twins = once(list(scenes.values()), [provider.name for provider in providers])
        for scene, twin in twins:
            self._note(notes.of_twin(product.id, scene, twin))
        with self._lock:
            self._known.update({scene.id: scene for scene in kept})
            while len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        return kept

    def _answer(self, collection_id: str, provider: Provider, question: Question) -> list[Scene]:
        """A provider's scenes, for some time from memory."""
        key = provider.name, question
        with self._lock:
            asked_s, scenes = self._answers.get(key, (-_EVER, []))
        if time.monotonic() - asked_s < _ANSWER_S:
            return scenes
        scenes = []
        for item in self._searches.items(provider, question):
            try:
                scene = _MAKERS[provider.name](item, provider)
            except ValueError as error:
                self._note(notes.of_item(collection_id, provider.name, item, question, str(error)))
            else:
                scenes += [] if scene is None else [scene]
        with self._lock:
            self._answers[key] = time.monotonic(), scenes
            while len(self._answers) > _MOST_ANSWERS:
                self._answers.popitem(last=False)
        return scenes

    def _present(self, collection_id: str, scenes: Sequence[Scene]) -> list[Scene]:
        """The scenes whose files are there; the others are noted.

        Asked for are those that every composite needs; of others it is known where a reading has missed them lately.
        """
        needed = sentinel2.NEEDED if collection_id == sentinel2.COLLECTION else ()
        bands = [(scene, band) for scene in scenes for band in scene.files if not needed or band.name in needed]
        heads = self._cogs.heads([band.file for _, band in bands])
        lacking = {
            scene.id: band for (scene, band), head in zip(bands, heads, strict=True) if isinstance(head, Missing)
        }
        # S3 says 403 of a file that is not there; of all files at once it says something else.
        if len(lacking) == len(scenes) > 1 and all(isinstance(h, Missing) and h.status == 403 for h in heads):
            self._cogs.ask_again(band.file for _, band in bands)
            raise ArchiveFault(
                f"{bands[0][1].file.address.host} refuses every file that it lists (answer 403): is something between "
                "it and this machine? Run the same command again later"
            )
        for scene in scenes:
            for band in scene.bands if needed and scene.id not in lacking else ():
                if band.name not in needed and self._cogs.missing_status(band.file) is not None:
                    lacking[scene.id] = band  # as a reader of this band has found
            if scene.id in lacking:
                reason = f"the archive has no file of its band {lacking[scene.id].name}"
                self._note(notes.of_scene(collection_id, scene, reason))
        etags = {scene.id: head.etag for (scene, _), head in zip(bands, heads, strict=True) if isinstance(head, Head)}
        present = [with_property(s, "open:etag", etags[s.id]) for s in scenes if s.id not in lacking]
        with self._lock:
            self._known.update({scene.id: scene for scene in present})
        return present

    def _note(self, note: Note) -> None:
        with self._lock:
            self._notes[note.collection, note.provider, note.scene] = note
            while len(self._notes) > _MOST_NOTES:
                self._notes.popitem(last=False)


def _check_served(asset_id: str) -> None:
    if (reason := refusal(asset_id)) is not None:
        raise ValueError(reason)


def _question_of(collection_id: str, index: str) -> Question | None:
    """What finds the scene of an index; None where it is no index of the collection."""
    if collection_id == sentinel2.COLLECTION:
        day = sentinel2.day_and_tile(index)
        return None if day is None else of_tile_month(*day)
    period = sentinel1.period(index)
    if period is None:
        return africa.question_of(index)
    return Question(period[0] - timedelta(seconds=60), period[1] + timedelta(seconds=60))

"""What needs Earth Engine while somebody waits, pictures and lists of scenes, in a process that ends when nobody asks.

The local engine computes them, and takes several hundred megabytes, which a server would keep for ever.
"""

from __future__ import annotations

import logging
import signal
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from multiprocessing.connection import Connection
from typing import Any

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.periods import Period
from isamap.gee_export.base.platform.machine import resident_bytes
from isamap.gee_export.base.regions import BoundsWSEN
from isamap.gee_export.earth_engine.archives import reads_archives
from isamap.inference.serve.tiles import SIDE_PX, TileAddress
from isamap.inference.tiles.jobs import Server

BANDS = ("B4", "B3", "B2")
BRIGHTEST = 0.3  # reflectance that is shown as white
# Serialised composites are large graphs; a visitor looks at a few maps at a time.
MOST_IMAGES = 16
IDLE_S = 300.0  # after which the process ends
MOST_BYTES = 2 << 30  # of memory: with more it ends after a picture, and the next one gets a new process
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CompositePicture:
    """A tile of the composite of a box (W S E N) and period. map: names both, and the map's version."""

    map: str
    bbox: BoundsWSEN
    start: str
    end: str
    address: TileAddress

    @property
    def id(self) -> str:
        """In words."""
        return f"the imagery of map {self.map.partition(' ')[0]}"


@dataclass(frozen=True)
class CompositeQuery:
    """What a network would see of a box (W S E N) and period; settings: of its composites, as checkpoints have them."""

    bbox: BoundsWSEN
    start: str
    end: str
    settings: Mapping[str, Any]


def paint(link: Connection, server: Server, idle_s: float = IDLE_S, most_bytes: int = MOST_BYTES) -> None:
    """Answers each picture that comes over the link with a PNG, and each composite with a sentence, "" where it can be
    made; a fault is a sentence too. Ends when nobody asks.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the server, whose end of the link closes then
    painter = Painter(server)
    while link.poll(idle_s):
        try:
            picture = link.recv()
        except EOFError:
            return
        link.send(_answer(painter, picture))
        # After the picture was sent: its visitor must not pay for the next process.
        if resident_bytes() > most_bytes:
            return


def _answer(painter: Painter, asked: CompositePicture | CompositeQuery) -> bytes | str:
    try:
        return painter.png(asked) if isinstance(asked, CompositePicture) else painter.lack(asked)
    except Fault as fault:
        return str(fault)
    except Exception:  # the server's log has it, and its reply no detail
        log.exception("no answer to %s", asked)
        return "" if isinstance(asked, CompositeQuery) else f"{asked.id} cannot be drawn: see the service's log"


@dataclass
class Painter:
    """A session of a server, begun at the first picture, and the composites of the latest maps."""

    server: Server
    _images: OrderedDict[str, Any] = field(default_factory=OrderedDict, repr=False)
    _session: Any = field(default=None, repr=False)

    def png(self, picture: CompositePicture) -> bytes:
        """256 x 256 pixels in Web Mercator. Fault: the server's."""
        import ee

        self._connect()
        left, top = picture.address.corner_m
        step_m = picture.address.step_m
        transform = {"scaleX": step_m, "shearX": 0, "translateX": left, "shearY": 0, "scaleY": -step_m}
        grid = {
            "dimensions": {"width": SIDE_PX, "height": SIDE_PX},
            "affineTransform": transform | {"translateY": top},
            "crsCode": "EPSG:3857",
        }
        try:
            pixels = ee.data.computePixels({"expression": self._image(picture), "fileFormat": "PNG", "grid": grid})
        except ee.EEException as error:
            raise Fault(f"Earth Engine does not give {picture.id}: {error}") from error
        return bytes(pixels)

    def lack(self, wanted: CompositeQuery) -> str:
        """Which images a composite lacks, and what to choose instead; "" where it can be made."""
        from isamap.gee_export.base.regions import from_bbox
        from isamap.gee_export.sentinel import composite

        self._connect()
        period = Period(date.fromisoformat(wanted.start), date.fromisoformat(wanted.end))
        try:
            composite.build(from_bbox(wanted.bbox, name="place"), period, composite.Settings.from_json(wanted.settings))
        except composite.NoScenes as lack:
            return str(lack)
        return ""

    def _connect(self) -> None:
        if self._session is None:
            from isamap.gee_export.earth_engine.session import connect

            self._session = connect(self.server.project, catalog=self.server.catalog)

    def _image(self, picture: CompositePicture) -> Any:
        """The composite with 8 bits a colour."""
        if picture.map not in self._images:
            from isamap.gee_export.sentinel import sentinel2

            period = Period(date.fromisoformat(picture.start), date.fromisoformat(picture.end))
            sensed = sentinel2.sensed(picture.bbox, period, self._optical())
            self._images[picture.map] = sensed.image.visualize(bands=list(BANDS), min=0, max=BRIGHTEST)
            if len(self._images) > MOST_IMAGES:
                self._images.popitem(last=False)
        return self._images[picture.map]

    def _optical(self) -> Any:
        """The usual composite in true colour, of the public archives with the mask that they have."""
        from isamap.gee_export.sentinel import open_archives, sentinel2

        optical = sentinel2.Optical(bands=BANDS)
        return open_archives.optical(optical) if reads_archives(self.server.project, self.server.catalog) else optical

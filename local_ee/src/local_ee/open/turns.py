"""Which archives of a product are asked: the second ones where the first have no scene there, or want an account.

Scenes of first and second ones are never mixed in one answer: their pixels differ in size.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from local_ee.open.blocks import Blocks, key_of
from local_ee.open.errors import AccountWanted
from local_ee.open.products import Searched
from local_ee.open.scenes import Scene, is_news
from local_ee.open.tokens import KEY

REFUSED_S = 3_600.0  # an archive that wanted an account is not asked again so long

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Turns:
    """Refusals are kept on disk, so that a later run offline takes the same turn."""

    blocks: Blocks
    offline: bool = False

    def scenes(self, product: Searched, ask: Callable[[Searched], list[Scene]]) -> list[Scene]:
        """What `ask` finds; AccountWanted where the first archives want one and the second have nothing there."""
        first, second = (
            replace(product, providers=tuple(each for each in product.providers if each.second is is_second))
            for is_second in (False, True)
        )
        if not second.providers:
            return ask(first)
        try:
            return self._first(first, ask) or ask(second)
        except AccountWanted as refusal:
            scenes = ask(second)
            if not scenes:
                raise
            if is_news(f"{product.id} {scenes[0].provider}"):
                log.warning("%s; taken instead: %s", refusal, second.providers[0].title)
            return scenes

    def _first(self, product: Searched, ask: Callable[[Searched], list[Scene]]) -> list[Scene]:
        key = key_of("account", product.id, bool(os.environ.get(KEY)))
        kept = self.blocks.get(key)
        if kept is not None:
            refused = json.loads(kept)
            if self.offline or 0 <= time.time() - refused["asked"] < REFUSED_S:
                raise AccountWanted(refused["message"])
            self.blocks.forget(key)
        try:
            return ask(product)
        except AccountWanted as refusal:
            self.blocks.put(key, json.dumps({"asked": time.time(), "message": str(refusal)}).encode())
            raise

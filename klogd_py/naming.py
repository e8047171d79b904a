"""Which names are in force, and when are they read anew?

Holds the `Survey` that every record is translated with. A new one is drawn in a thread and swapped in by one assignment.
Requests that come while one is being drawn share the next: a hundred signals make two surveys at most.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from klogd_py.courier import Courier
from klogd_py.symbols.atlas import Atlas
from klogd_py.symbols.sources import Sources
from klogd_py.symbols.survey import Survey, module_layout, survey

logger = logging.getLogger(__name__)


class Naming:
    """The names of this run. Mutable; lives on the event loop. Records wait while `lock` is held."""

    def __init__(self, sources: Callable[[], Sources], changed: Callable[[Sequence[str]], None]) -> None:
        """``sources`` is asked anew for each survey; ``changed`` is called with the reasons after one has been taken into use."""
        self.survey = Survey(Atlas())
        self.lock = asyncio.Lock()
        self._sources = sources
        self._told = changed
        self._courier = Courier("symbols")
        self._reasons: dict[str, None] = {}
        self._next: asyncio.Task[None] | None = None  # a survey that has not begun

    async def draw_first(self) -> None:
        """Read the symbols; takes the lock at once, so that no record which wants a name flows before."""
        async with self.lock:
            self.adopt(await self._courier.call(lambda: survey(self._sources())))

    async def begin_anew(self, release: str) -> None:
        """Read the symbols as if no record had been seen but one, of a kernel of this release."""
        self.adopt((await self._courier.call(lambda: survey(self._sources()))).of(release))

    async def redraw(self, reason: str) -> None:
        """Have the symbols read anew, and wait for it."""
        self._reasons[reason] = None
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(self._redraw())
        await asyncio.shield(self._next)

    def adopt(self, found: Survey) -> None:
        """Take a survey into use, and tell the operator what is new about it."""
        before, self.survey = self.survey, found
        for line in found.summary:
            if line not in before.summary:
                logger.info("%s", line)
        for remark in found.remarks:
            if remark not in before.remarks:
                logger.warning("%s", remark)

    async def modules_differ(self) -> bool:
        """Whether other modules are loaded now than when the symbols were read, or at other addresses."""
        return await self._courier.call(lambda: module_layout(self._sources())) != self.survey.layout

    async def _redraw(self) -> None:
        async with self.lock:
            reasons, self._next = tuple(self._reasons), None
            self._reasons.clear()
            before = self.survey
            drawn = await self._courier.call(lambda: survey(self._sources(), before=before))
            if before is not self.survey:  # an oops that was held back taught something meanwhile
                drawn = await self._courier.call(lambda: survey(self._sources(), before=self.survey))
            self.adopt(drawn)
        for reason in reasons:
            logger.info("symbols read anew after %s", reason)
        self._told(reasons)

# SPDX-License-Identifier: GPL-2.0-or-later
r"""Read what a report says of locks: those that are held, and where they were taken.

Forms::

    2 locks held by nicd/812:
     #0: ffff888012345678 (&nic->lock){+.+.}-{3:3}, at: nic_open+0x1f/0x40
    nicd/812 is trying to acquire lock:
    ffff888012345678 (&nic->lock){+.+.}-{3:3}, at: nic_poll+0x1f/0x40
    [<ffffffff8119d0a1>] nic_open+0x1f/0x40          what is not "at:", but "creating"

Source of truth: kernel/locking/lockdep.c ``print_lock``, ``lockdep_print_held_locks``.
"""

from msgspec import Struct

from klogd_py.record.lazy_pattern import lazy_pattern
from klogd_py.record.report import Frame
from klogd_py.reports.anatomy.frame_lines import first_symbol

_HELD = lazy_pattern(r"[ \t]{0,16}#\d{1,3}: ")
_AT = lazy_pattern(r"(?:^|[ ,)])at:? {1,2}(?=\[?<?[0-9a-zA-Z_.$])")
_ACTIONS = (
    "trying to acquire",
    "trying to lock",
    "trying to release",
    "takes:",
    "holding",
    "changed the state",
    "to freed memory",
    "holding lock",
    "held by",
)


class LockPlace(Struct, frozen=True, gc=False):
    """Where a lock is taken or released, and the number of the line."""

    line: int
    frame: Frame


class LockReader:
    """The locks of one report. Mutable: filled line by line."""

    def __init__(self) -> None:
        # Lines of "locks held by"
        self.held: list[str] = []
        self.held_places: list[LockPlace] = []
        # Places of "at:", without those of held locks
        self.places: list[LockPlace] = []
        # "at:" was the end of a line: the place is on the next one.
        self._is_wrapped = False

    def read_line(self, number: int, text: str) -> bool:
        """Take a line; ``False`` if it says nothing of a lock."""
        if "at:" not in text and not self._is_wrapped and not self._is_release(text):
            return False
        if _HELD.match(text) is not None:
            self.held.append(text.strip())
            held = first_symbol(text, text.rfind("at:"))
            if held is not None:
                self.held_places.append(LockPlace(number, held))
            return True
        if self._is_wrapped:
            self._is_wrapped = False
            found = first_symbol(text)
        else:
            self._is_wrapped = text.rstrip().endswith(", at:") or (text.rstrip().endswith(") at:"))
            at = text.rfind("at:")
            found = None if at < 0 else first_symbol(text, at)
        if found is None:
            return False
        self.places.append(LockPlace(number, found))
        return True

    @staticmethod
    def _is_release(text: str) -> bool:
        return "is trying to release lock" in text

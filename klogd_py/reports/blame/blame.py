# SPDX-License-Identifier: GPL-2.0-or-later
"""Find the function that a crash is to be blamed on.

The recipe of each kind puts functions in order (`candidates`); the first one that is no noise is
it. Noise is what `noise_families` names for all kinds, and `kind_noise` for one.
"""

import re
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct

from klogd_py.record.crash_kind import CrashKind
from klogd_py.record.lazy_pattern import lazy_pattern
from klogd_py.record.report import Frame
from klogd_py.reports.anatomy.anatomy import Anatomy
from klogd_py.reports.anatomy.frame_lines import first_symbol
from klogd_py.reports.anatomy.function_names import plain_name
from klogd_py.reports.blame import kind_noise
from klogd_py.reports.blame.candidates import (
    counter_and_trace,
    first_trace,
    header_then_trace,
    labelled,
    reliable,
    stalled_stacks,
)
from klogd_py.reports.blame.demangle import readable_name
from klogd_py.reports.blame.noise import is_noise, noise_family
from klogd_py.reports.blame.stall_blame import under_anchor

_LINK_REGISTER = "lr : "
# "last function: nic_work"; since 6.9 "preempt=0x00000000 lock=0->1 RCU=0->0 workfn=nic_work"
_LAST_FUNCTION = lazy_pattern(
    r"[ \t]{0,64}(?:last function: |preempt=0x[0-9a-f]{1,8} [\w=> -]{1,60} workfn=)"
    r"([A-Za-z_.$][\w.$]{0,200})"
)


class Blame(Struct, frozen=True, gc=False):
    """The function to blame and its module; ``at`` is where the processor was, if elsewhere.

    ``is_noise``: all functions of the report are noise, and this one only tells where it happened.
    All are empty where no function is known.
    """

    function: str = ""
    module: str = ""
    at: str = ""
    is_noise: bool = False


NONE = Blame()


def find_blame(kind: CrashKind, anatomy: Anatomy) -> Blame:
    """Return the function that a crash of this kind is to be blamed on."""
    recipe = _RECIPES.get(kind, _fault)
    found = recipe(anatomy)
    is_explained = found is not None
    if found is None and kind is not CrashKind.HUNG_TASK:
        # A task that hangs is in the scheduler: that says nothing.
        found = _scene(anatomy)
    if found is None:
        return NONE
    place = anatomy.counter or next(iter(anatomy.header.functions), None)
    function = readable_name(found.function)
    at = "" if place is None else readable_name(place.function)
    return Blame(function, found.module, "" if at == function else at, not is_explained)


def _scene(anatomy: Anatomy) -> Frame | None:
    """Return where it happened, where all is noise: behind what has reported it."""
    named = next(iter(anatomy.header.functions), None)
    return named or _first_but(counter_and_trace(anatomy), _REPORTING)


def _first(frames: Iterable[Frame], noise: re.Pattern[str] | None = None) -> Frame | None:
    """Return the first frame that is no noise."""
    for frame in frames:
        if is_noise(frame.function):
            continue
        if noise is not None and noise.match(plain_name(frame.function)):
            continue
        return frame
    return None


def _first_but(frames: Iterable[Frame], families: tuple[str, ...]) -> Frame | None:
    """Return the first frame that is of none of these families."""
    return next((frame for frame in frames if noise_family(frame.function) not in families), None)


def _fault(anatomy: Anatomy) -> Frame | None:
    return _first(counter_and_trace(anatomy))


def _trace(anatomy: Anatomy) -> Frame | None:
    return _first(first_trace(anatomy))


def _warning(anatomy: Anatomy) -> Frame | None:
    """The place of the WARN itself, then its callers. The registers of a process come too late."""
    noise = None
    source = anatomy.source
    if source is not None:
        noise = next(
            (found for file, found in _NOISE_BY_FILE.items() if source.file.endswith(file)), None
        )
    frames = (*anatomy.header.functions[:1], *counter_and_trace(anatomy))
    return _first(frames, noise) or _first(first_trace(anatomy), noise)


def _bug(anatomy: Anatomy) -> Frame | None:
    frames = (*anatomy.header.functions[:1], *counter_and_trace(anatomy))
    return _first(frames, kind_noise.PACKET_BUFFERS)


def _panic(anatomy: Anatomy) -> Frame | None:
    """What the text names; where the stack is used up, as for that; else as for a fault."""
    header = anatomy.header
    if "stack overflow" in header.text or "corrupted stack end" in header.text:
        return _overflow(anatomy)
    return _first((*header.functions[:1], *counter_and_trace(anatomy)))


def _last_work_function(anatomy: Anatomy) -> Frame | None:
    for text in anatomy.texts:
        found = _LAST_FUNCTION.match(text)
        if found is not None:
            return Frame(found[1])
    return _trace(anatomy)


def _bad_access(anatomy: Anatomy) -> Frame | None:
    """The function that the header names, then the stack of the access."""
    noise = kind_noise.FREEING if "-free in " in anatomy.header.text else None
    if noise is not None and "after-free" in anatomy.header.text:
        noise = None
    return _first(header_then_trace(anatomy), noise) or _first(first_trace(anatomy), noise)


def _race(anatomy: Anatomy) -> Frame | None:
    return next(iter(anatomy.header.functions), None) or _first(header_then_trace(anatomy))


def _stall(anatomy: Anatomy) -> Frame | None:
    counter = anatomy.counter
    if counter is not None and counter.module and not is_noise(counter.function):
        return counter
    return under_anchor(anatomy) or _first(
        frame for frames in stalled_stacks(anatomy) for frame in frames
    )


def _overflow(anatomy: Anatomy) -> Frame | None:
    """What calls itself; else, since who used the rest of a stack is chance, what was asked for."""
    return _calling_itself(anatomy) or under_anchor(anatomy) or _fault(anatomy) or _caller(anatomy)


def _calling_itself(anatomy: Anatomy) -> Frame | None:
    """Return a function that stands in the first trace three times in a row."""
    frames = tuple(first_trace(anatomy))
    for frame, *callers in zip(frames, frames[1:], frames[2:], strict=False):
        if all(caller.function == frame.function for caller in callers):
            return _first([frame])
    return None


def _caller(anatomy: Anatomy) -> Frame | None:
    """Return the function in the link register of arm64: it prints no stack after an oops."""
    for text in anatomy.texts:
        if text.startswith(_LINK_REGISTER):
            found = first_symbol(text)
            return None if found is None else _first([found])
    return None


def _hang(anatomy: Anatomy) -> Frame | None:
    frames = tuple(first_trace(anatomy))
    for frame in frames:
        name = plain_name(frame.function)
        if kind_noise.GRACE_PERIODS.match(name):
            # Which of them waits depends on the version and on settings.
            return Frame("synchronize_rcu")
        if kind_noise.HUNG_BUCKETS.match(name):
            return frame
    return _first(frames, kind_noise.WAITERS)


def _atomic(anatomy: Anatomy) -> Frame | None:
    return _first(first_trace(anatomy), kind_noise.SLEEPERS)


def _preemptible(anatomy: Anatomy) -> Frame | None:
    """The user of a processor's own data itself: it has to see that it stays on the processor."""
    return _first_but(first_trace(anatomy), ("reporters", "debug checks", "traps", "sanitizers"))


def _lockdep(anatomy: Anatomy) -> Frame | None:
    if "safe -> " in anatomy.header.text:
        # The order of two locks is new; what made the first one unsafe tells where they meet.
        for stack in labelled(anatomy, "which became")[:1]:
            found = _first_but(reliable(stack.frames), ("locks", "reporters"))
            if found is not None:
                return found
    places = (place.frame for place in anatomy.lock_places[:_PLACES])
    taker = next((frame for frame in places if _may_take(frame.function)), None)
    return taker or _trace(anatomy)


def _may_take(function: str) -> bool:
    """Whether a function may be named as the one that takes a lock: some services have their own."""  # noqa: E501
    family = noise_family(function)
    return not family or family in _WITH_LOCKS


def _lock_state(anatomy: Anatomy) -> Frame | None:
    """Where a lock that is still held was taken; else as for an order of locks."""
    if any(words in anatomy.header.text for words in _STILL_HELD):
        found = _first(place.frame for place in anatomy.held_places)
        if found is not None:
            return found
    return _lockdep(anatomy)


def _bad_page(anatomy: Anatomy) -> Frame | None:
    for stack in labelled(anatomy, "page last allocated"):
        found = _first(reliable(stack.frames))
        if found is not None:
            return found
    return _trace(anatomy)


def _leak(anatomy: Anatomy) -> Frame | None:
    return _first(first_trace(anatomy), kind_noise.ALLOCATING)


def _first_stack(anatomy: Anatomy) -> Frame | None:
    return _first(_any_stack(anatomy))


def _any_stack(anatomy: Anatomy) -> Iterator[Frame]:
    for stack in anatomy.stacks[:1]:
        yield from reliable(stack.frames)


# Families of functions that have found the crash, not met it
_REPORTING = ("reporters", "traps", "debug checks", "assertions")
# The lock that is being taken, and the one that is held
_PLACES = 2
_WITH_LOCKS = ("page cache", "deferred work and timers", "waking and waiting")
_STILL_HELD = ("still has locks held", "lock held when returning", "lock held at task exit")
_NOISE_BY_FILE = {
    "lib/debugobjects.c": kind_noise.TRACKED_OBJECTS,
    "fs/proc/generic.c": kind_noise.PROC_ENTRIES,
}
_RECIPES: dict[CrashKind, Callable[[Anatomy], Frame | None]] = {
    CrashKind.KASAN: _bad_access,
    CrashKind.KFENCE: _bad_access,
    CrashKind.KMSAN: _first_stack,
    CrashKind.KCSAN: _race,
    CrashKind.UBSAN: _trace,
    CrashKind.BUG: _bug,
    CrashKind.WARNING: _warning,
    CrashKind.LOCKDEP: _lockdep,
    CrashKind.SUSPICIOUS_RCU: _trace,
    CrashKind.SPINLOCK: _trace,
    CrashKind.ATOMIC_SLEEP: _atomic,
    CrashKind.PREEMPTIBLE: _preemptible,
    CrashKind.BAD_PAGE: _bad_page,
    CrashKind.MEMORY_LEAK: _leak,
    CrashKind.SOFT_LOCKUP: _stall,
    CrashKind.HARD_LOCKUP: _stall,
    CrashKind.RCU_STALL: _stall,
    CrashKind.HUNG_TASK: _hang,
    CrashKind.STACK_OVERFLOW: _overflow,
    CrashKind.PANIC: _panic,
    CrashKind.LOCK_STATE: _lock_state,
    CrashKind.INCONSISTENT_LOCK: _lockdep,
    CrashKind.LOCK_KEY: _trace,
    CrashKind.WORKQUEUE_LEAK: _last_work_function,
    CrashKind.REFERENCE_LEAK: _trace,
    CrashKind.RSS_COUNTER: _trace,
    CrashKind.SLUB: _trace,
}

# SPDX-License-Identifier: GPL-2.0-or-later
"""Make the fingerprints by which reports of one crash are found equal.

Never in them: an address, an offset, a size, a process, a processor, the taint, the version of the
kernel, the list of modules, a number of a device.
"""

from collections.abc import Sequence
from hashlib import sha256

from klogd_py.record.report import Fingerprint, Frame
from klogd_py.reports.anatomy.anatomy import Anatomy
from klogd_py.reports.blame.blame import Blame
from klogd_py.reports.blame.demangle import readable_name
from klogd_py.reports.blame.noise import is_noise

# Of the rules. Another number where the same crash would get another fingerprint.
VERSION = 1
_HASH_DIGITS = 16
_CALLERS = 3
# Of a stack in which nothing is to blame
_NOISE_FRAMES = 8


def fingerprint_of(template: str, crash_class: str, blame: Blame, anatomy: Anatomy) -> Fingerprint:
    """Return the fingerprints of a report.

    ``template`` is its title with ``{function}`` in the place of the function to blame.

    Reports in which no function is to blame are equal only if their whole stacks are: else all that
    the kernel could not explain were one issue.
    """
    is_explained = blame.function and not blame.is_noise
    culprit = blame.function if is_explained else _unexplained(template, anatomy)
    source = anatomy.source
    place = "" if source is None else f"{source.file}:{source.line}"
    family = (crash_class, culprit)
    return Fingerprint(
        _hash("issue", template, culprit),
        _hash("family", *family),
        _hash("variant", *family, *_callers(blame, anatomy), place),
    )


def _unexplained(template: str, anatomy: Anatomy) -> str:
    names = [
        readable_name(frame.function)
        for stack in anatomy.stacks[:1]
        for frame in stack.frames
        if frame.reliable
    ]
    return " ".join((template, *names[:_NOISE_FRAMES]))


def _callers(blame: Blame, anatomy: Anatomy) -> Sequence[str]:
    """Return the next functions of the stack that the function to blame is in, without noise.

    Where it is only the program counter, these are the first ones of the call trace.
    """
    for stack in anatomy.stacks:
        names = _explained(stack.frames)
        if blame.function in names:
            first = names.index(blame.function) + 1
            return names[first : first + _CALLERS]
    for stack in anatomy.stacks_after(0):
        return _explained(stack.frames)[:_CALLERS]
    return ()


def _explained(frames: Sequence[Frame]) -> Sequence[str]:
    """Return the functions that are no noise, by the names that people know."""
    return [
        readable_name(frame.function)
        for frame in frames
        if frame.reliable and not is_noise(frame.function)
    ]


def _hash(*parts: str) -> str:
    raw = "\0".join(parts).encode("utf-8", "surrogatepass")
    return f"{VERSION}:{sha256(raw).hexdigest()[:_HASH_DIGITS]}"

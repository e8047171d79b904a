# SPDX-License-Identifier: GPL-2.0-or-later
r"""Read the recorded cases of the classic klogd.

The data is not part of the project: `tests.corpus.logs` says where it is. Lines are sequences of
latin-1 code points, each of which stands for one byte.
"""

import msgspec
from msgspec import Struct

from tests.corpus.logs import CLASSIC_CASES

# The first character of a line that is an instruction: SIG:USR1 sends a signal, ERR:5 has one read
# fail with errno 5.
CONTROL = "\x01"

# A line of the file, or priority and text of a datagram
Message = str | tuple[int, str]


class Result(Struct, frozen=True):
    """The output of another version of the program."""

    messages: list[Message]


class Vector(Struct, frozen=True):
    """One case: the machine, the flags, what the kernel says, and what came out.

    ``chunk`` says how much one read returned: a number of bytes, or ``line``. ``kallsyms_2``
    replaces ``kallsyms_text`` while the program runs.
    """

    name: str
    stance: str
    input_lines: list[str]
    expected_messages: list[Message]
    alt: dict[str, Result]
    flags: list[str] = []
    map_text: str | None = None
    map_path: str | None = None
    kallsyms_text: str | None = None
    kallsyms_2: str | None = None
    root_files: dict[str, str] = {}
    uname_r: str | None = None
    chunk: str | None = None
    sink: str = "file"
    input_final_newline: bool = True
    repaired_is_target: bool = False

    @property
    def has_failing_reads(self) -> bool:
        """Whether a read must fail, which no real input does on request."""
        return any(line.startswith(f"{CONTROL}ERR:") for line in self.input_lines)

    @property
    def must_run_live(self) -> bool:
        """Whether something must happen while the program waits for input."""
        return self.chunk is not None or self.kallsyms_2 is not None

    @property
    def steps(self) -> list[str | bytes]:
        """The steps of the case, in order: an instruction, or the bytes that one read returns."""
        if self.chunk == "line":
            return [
                line[1:] if line.startswith(CONTROL) else f"{line}\n".encode("latin-1")
                for line in self.input_lines
            ]
        raw = self.input_bytes
        size = int(self.chunk) if self.chunk is not None else len(raw)
        return [raw[start : start + size] for start in range(0, len(raw), size)]

    @property
    def input_bytes(self) -> bytes:
        """All that the kernel says, for a case without instructions."""
        return ("\n".join(self.input_lines) + "\n" * self.input_final_newline).encode("latin-1")


def load() -> list[Vector]:
    """Read all cases."""
    return msgspec.json.decode(CLASSIC_CASES.read_bytes(), type=list[Vector])

# SPDX-License-Identifier: GPL-2.0-or-later
"""Wait until the bench ends, and clean up if it was killed: ``python -m bench.watcher``.

Its standard input is a pipe that only the bench can write to: it ends with the bench. No signal of
a terminal ends the watcher.
"""

import contextlib
import signal
import sys

from bench import leftovers, processes
from bench.state_file import Locked, StateFile, default_path


def main() -> None:
    """Wait for the end of standard input; clean up unless the bench, or the next one, did so."""
    for number in processes.ENDING:
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    with contextlib.suppress(Locked):
        state_file = StateFile(default_path())
        if state := state_file.read():
            lines = leftovers.describe(leftovers.remove(state))
            state_file.clear()
            # Whoever killed the bench may have closed this as well.
            with contextlib.suppress(OSError):
                print("\n".join(["bench: it was killed", *lines]), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

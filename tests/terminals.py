# SPDX-License-Identifier: GPL-2.0-or-later
"""What programs print on a pseudo-terminal."""

import errno
import os

CHUNK_BYTES = 1 << 16


def read_to_end(terminal: int) -> bytes:
    """Read all that a pseudo-terminal holds, when its other end is closed; then close it.

    One read gives only what the kernel has passed on so far, and the end is EIO.
    """
    shown = b""
    try:
        while data := os.read(terminal, CHUNK_BYTES):
            shown += data
    except OSError as error:
        if error.errno != errno.EIO:
            raise
    finally:
        os.close(terminal)
    return shown

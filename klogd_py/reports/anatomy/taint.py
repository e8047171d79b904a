# SPDX-License-Identifier: GPL-2.0-or-later
"""Name the flags of a tainted kernel.

Source of truth: Documentation/admin-guide/tainted-kernels.rst; kernel/panic.c ``taint_flags``.
"""

from klogd_py.record.report import Taint

# "G" says that all modules have a licence of the GPL, and is no taint.
TAINT_WORDS = {
    "P": "PROPRIETARY_MODULE",
    "F": "FORCED_MODULE",
    "S": "CPU_OUT_OF_SPEC",
    "R": "FORCED_RMMOD",
    "M": "MACHINE_CHECK",
    "B": "BAD_PAGE",
    "U": "USER",
    "D": "DIE",
    "A": "OVERRIDDEN_ACPI_TABLE",
    "W": "WARN",
    "C": "CRAP",
    "I": "FIRMWARE_WORKAROUND",
    "O": "OOT_MODULE",
    "E": "UNSIGNED_MODULE",
    "L": "SOFTLOCKUP",
    "K": "LIVEPATCH",
    "X": "AUX",
    "T": "RANDSTRUCT",
    "N": "TEST",
    "J": "FWCTL",
}


def taint_of(flags: str) -> Taint:
    """Return the taint of the columns behind ``Tainted: ``, in the order of the kernel.

    ``G        W  OE`` has the letters ``WOE``.
    """
    letters = "".join(flag for flag in flags if flag in TAINT_WORDS)
    return Taint(letters, tuple(TAINT_WORDS[flag] for flag in letters))

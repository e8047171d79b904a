# SPDX-License-Identifier: GPL-2.0-or-later
"""Read kernel messages: /dev/kmsg, /proc/kmsg, syslog(2), and captures of them."""

# The forms of a capture; "auto" guesses it from the first line.
INPUT_FORMATS = ("auto", "kmsg", "dmesg", "klogd", "syslog")

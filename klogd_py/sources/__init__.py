# SPDX-License-Identifier: GPL-2.0-or-later
"""Read kernel messages: /dev/kmsg, /proc/kmsg, syslog(2), and captures of them."""

# The forms of a capture; with "auto" each line is read as what it is.
INPUT_FORMATS = ("auto", "kmsg", "dmesg", "klogd", "syslog", "export", "json", "table", "text")

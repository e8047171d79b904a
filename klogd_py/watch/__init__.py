# SPDX-License-Identifier: GPL-2.0-or-later
"""Watch files (watchdog, inotify) and kernel modules (uevents, pyroute2) for changes."""

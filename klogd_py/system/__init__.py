# SPDX-License-Identifier: GPL-2.0-or-later
"""The operating system: files, sockets, signals, privileges, threads and the service manager."""

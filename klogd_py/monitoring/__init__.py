# SPDX-License-Identifier: GPL-2.0-or-later
"""Report the state of the daemon: status document, status socket, metrics, service manager."""

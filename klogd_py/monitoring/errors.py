# SPDX-License-Identifier: GPL-2.0-or-later
"""The exceptions of this package."""


class MonitoringError(OSError):
    """The status or the metrics cannot be served or fetched; the message says which, and why."""


class NoAnswer(MonitoringError):
    """No daemon answers on the socket, or it refuses; the message has the path and the reason."""


class EndpointUnusable(MonitoringError):
    """A socket or an address cannot be listened on; the message has the reason."""

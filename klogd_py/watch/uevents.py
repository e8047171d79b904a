# SPDX-License-Identifier: GPL-2.0-or-later
"""Report kernel modules that are loaded or removed.

pyroute2 opens a netlink socket for the kernel's uevents, bound to the kernel's multicast group
alone, and parses the messages. Only messages of the kernel itself count: any user may send to a
netlink group that it can reach, but not from the kernel's port id 0.

Source: lib/kobject_uevent.c; kernel/module/sysfs.c. The ``add`` of a module comes after its init
function has run.
"""

import os
import socket

from pyroute2.netlink import NETLINK_KOBJECT_UEVENT
from pyroute2.netlink.nlsocket import NetlinkSocket
from pyroute2.netlink.uevent import MarshalUevent

KERNEL_GROUP = 1
_MAX_BYTES = 1 << 16


class ModuleWatch:
    """A uevent socket. ``fileno`` becomes readable when modules may have been loaded or removed."""

    def __init__(self) -> None:
        """Bind the socket; raises OSError where the kernel or a sandbox refuses netlink."""
        # Not a UeventSocket: before pyroute2 0.8 it could only bind to all groups.
        self._netlink = NetlinkSocket(NETLINK_KOBJECT_UEVENT)
        self._netlink.bind(groups=KERNEL_GROUP)
        self._socket = socket.socket(fileno=os.dup(self._netlink.fileno()))
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor of the socket."""
        return self._socket.fileno()

    def changed_modules(self) -> set[str]:
        """Drain the socket and return the names of modules that were loaded or removed.

        ``?`` among them stands for lost events.
        """
        names: set[str] = set()
        while True:
            try:
                data, sender = self._socket.recvfrom(_MAX_BYTES)
            except BlockingIOError:
                return names
            # ENOBUFS: events were lost, so any module may have changed.
            except OSError:
                return {"?"}
            name = module_of(data) if sender[0] == 0 else None
            if name is not None:
                names.add(name)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
        self._netlink.close()


def module_of(message: bytes) -> str | None:
    r"""Return the name of the module that a uevent is about; ``None`` for any other event.

    ``b"add@/module/ext4\0ACTION=add\0DEVPATH=/module/ext4\0SUBSYSTEM=module\0SEQNUM=829\0"``
    """
    for event in MarshalUevent().parse(message):
        fields = dict(event)
        if fields.get("SUBSYSTEM") == "module" and fields.get("ACTION") in ("add", "remove"):
            return str(fields.get("DEVPATH", "")).rpartition("/")[2] or None
    return None

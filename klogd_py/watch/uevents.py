# SPDX-License-Identifier: GPL-2.0-or-later
"""Has a kernel module come or gone?

Listens to the kernel's uevents: pyroute2 opens the socket, bound to the kernel's multicast group
alone, and takes the messages apart. Only what the kernel itself sent counts: any user may send to a
netlink group it can reach, but not with the kernel's port number 0.

Source of truth: lib/kobject_uevent.c; kernel/module/sysfs.c. A module's ``add`` comes after its
init function has run.
"""

import os
import socket

from pyroute2.netlink import NETLINK_KOBJECT_UEVENT
from pyroute2.netlink.nlsocket import NetlinkSocket
from pyroute2.netlink.uevent import MarshalUevent

KERNEL_GROUP = 1
_MAX_BYTES = 1 << 16


class ModuleWatch:
    """The modules that came or went since the last look.

    ``fileno`` becomes readable when there may be some.
    """

    def __init__(self) -> None:
        """Bind the socket; raises OSError where the kernel or a sandbox refuses netlink."""
        self._netlink = NetlinkSocket(
            NETLINK_KOBJECT_UEVENT
            # Before 0.8 a UeventSocket knew but all groups
        )
        self._netlink.bind(groups=KERNEL_GROUP)
        self._socket = socket.socket(fileno=os.dup(self._netlink.fileno()))
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """The netlink socket's descriptor."""
        return self._socket.fileno()

    def changed_modules(self) -> set[str]:
        """Drain the socket; the names of the modules that were added or removed."""
        names: set[str] = set()
        while True:
            try:
                data, sender = self._socket.recvfrom(_MAX_BYTES)
            except BlockingIOError:
                return names
            # ENOBUFS: events were lost, so any module may have changed
            except OSError:
                return {"?"}
            name = module_of(data) if sender[0] == 0 else ""
            if name:
                names.add(name)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
        self._netlink.close()


def module_of(message: bytes) -> str:
    r"""The module that a uevent message is about, empty for any other event.

    ``b"add@/module/ext4\0ACTION=add\0DEVPATH=/module/ext4\0SUBSYSTEM=module\0SEQNUM=829\0"``
    """
    for event in MarshalUevent().parse(message):
        fields = dict(event)
        if fields.get("SUBSYSTEM") == "module" and fields.get("ACTION") in ("add", "remove"):
            return str(fields.get("DEVPATH", "")).rpartition("/")[2]
    return ""

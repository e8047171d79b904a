# SPDX-License-Identifier: GPL-2.0-or-later
"""Define the guests by name: the kernel, the Debian around it, and how klogd-py is installed."""

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from tests.vm.lab import images, kernels
from tests.vm.lab.images import Image
from tests.vm.lab.machine import Machine

STAGE = "/dev/vdb"


class Guest(Struct, frozen=True):
    """The parts of a guest.

    With ``systemd`` it boots a complete Debian, without it only Python and basic tools.
    """

    name: str
    suite: str
    architecture: str
    systemd: bool
    memory_mib: int
    kernel: Callable[[], Path]
    # Whether /boot holds System.map, as after `make install` in the kernel's source
    has_map: bool = False

    def image(self) -> Image:
        """Return what the guest boots; klogd-py is not in it."""
        if self.systemd:
            return images.with_systemd(self.name, self.suite)
        return images.in_memory(self.name, self.suite, self.architecture, self.kernel())

    def crash_module(self) -> Path:
        """Return klogd_trouble.ko, the module that crashes on request, for this guest's kernel."""
        return (
            kernels.crash_module(self.suite, self.architecture, self.kernel()) / "klogd_trouble.ko"
        )

    def make(self) -> None:
        """Build everything the guest needs, which takes minutes at first; raises BuildFailed."""
        self.image()
        self.crash_module()
        images.installed(self.suite, self.architecture)
        if self.systemd:
            images.packaged(self.suite)

    def machine(self, place: Path, arguments: str = "", *, packaged: bool = False) -> Machine:
        """Return a machine that is not yet started; its console goes to ``place``.

        klogd-py comes on a second disk or archive: as installed by `make install`, or as Debian
        packages with ``packaged``.
        """
        image = self.image()
        staged = (
            images.packaged(self.suite)
            if packaged
            else images.installed(self.suite, self.architecture)
        )
        if self.systemd:
            drive = staged / "stage.tar"
        else:
            drive = None
            image = Image(image.kernel, (*image.archives, staged / "stage.cpio"), None)
        return Machine(
            self.name,
            self.architecture,
            image,
            place,
            memory_mib=self.memory_mib,
            arguments=arguments,
            drive=drive,
        )

    def prepare(self, machine: Machine) -> None:
        """Unpack klogd-py after the boot, where it is on a disk, and install the module."""
        if self.systemd:
            machine.run(f"tar -xf {STAGE} -C / && systemd-sysusers && systemctl daemon-reload")
        self.install_module(machine)

    def install_module(self, machine: Machine) -> None:
        """Copy the modules that crash, and System.map if the guest has one, to their places."""
        release = (self.kernel() / "release").read_text().strip()
        for module in sorted(self.crash_module().parent.glob("*.ko")):
            machine.put(f"/lib/modules/{release}/extra/{module.name}", module.read_bytes())
        if self.has_map:
            machine.put(f"/boot/System.map-{release}", (self.kernel() / "System.map").read_bytes())


GUESTS = {
    guest.name: guest
    for guest in (
        Guest("bare", "bookworm", "amd64", False, 768, kernels.bare, has_map=True),
        Guest(
            "debian12",
            "bookworm",
            "amd64",
            True,
            768,
            lambda: kernels.of_debian("bookworm", "amd64"),
        ),
        Guest(
            "debian13", "trixie", "amd64", True, 768, lambda: kernels.of_debian("trixie", "amd64")
        ),
        Guest(
            "arm64", "trixie", "arm64", False, 1024, lambda: kernels.of_debian("trixie", "arm64")
        ),
    )
}

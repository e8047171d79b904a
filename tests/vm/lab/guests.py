# SPDX-License-Identifier: GPL-2.0-or-later
"""The guests by name: which kernel, which Debian around it, and how klogd-py comes into them."""

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from tests.vm.lab import images, kernels
from tests.vm.lab.images import Image
from tests.vm.lab.machine import Machine

STAGE = "/dev/vdb"


class Guest(Struct, frozen=True):
    """What a guest is made of.

    ``systemd`` says whether it boots a whole Debian or Python and little else.
    """

    name: str
    suite: str
    architecture: str
    systemd: bool
    memory_mib: int
    kernel: Callable[[], Path]
    # In /boot, as an installation from source leaves it
    has_map: bool = False

    def image(self) -> Image:
        """What it boots, without klogd-py."""
        if self.systemd:
            return images.with_systemd(self.name, self.suite)
        return images.in_memory(self.name, self.suite, self.architecture, self.kernel())

    def trouble(self) -> Path:
        """The module that makes trouble, compiled for this guest's kernel."""
        return kernels.trouble(self.suite, self.architecture, self.kernel()) / "klogd_trouble.ko"

    def make(self) -> None:
        """Make all that it needs, which takes minutes the first time; raises BuildFailed."""
        self.image()
        self.trouble()
        images.installed(self.suite, self.architecture)
        if self.systemd:
            images.packaged(self.suite)

    def machine(self, place: Path, arguments: str = "", *, packaged: bool = False) -> Machine:
        """A machine with klogd-py at hand, not yet started; its console goes to ``place``.

        ``packaged`` has the Debian packages at hand instead of what `make install` makes.
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
        """After the boot: klogd-py where it has to be unpacked, and the module in its place."""
        if self.systemd:
            machine.run(f"tar -xf {STAGE} -C / && systemd-sysusers && systemctl daemon-reload")
        self.add_trouble(machine)

    def add_trouble(self, machine: Machine) -> None:
        """Put our module, and the map if there is one, where they belong."""
        release = (self.kernel() / "release").read_text().strip()
        machine.put(f"/lib/modules/{release}/extra/klogd_trouble.ko", self.trouble().read_bytes())
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

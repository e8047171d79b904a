# SPDX-License-Identifier: GPL-2.0-or-later
"""What one does with a guest.

Start klogd-py in it, provoke a crash by name, and take everything home that tells of it.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from tests.vm.lab.guests import Guest
from tests.vm.lab.machine import Machine
from tests.vm.lab.truth import binary

SERVICE_LOG = "/var/log/klogd-py/kern.log"
SYSLOGD_LOG = "/var/log/kern.log"
POSITION = "/var/lib/klogd-py/position.json"
TROUBLE = "/proc/klogd_trouble"
PROVOKE = "/sys/kernel/debug/provoke-crash/DIRECT"

# Read to the end of the ring what stands in it, record by record, as the kernel gives it.
_READ_RAW = """python3 -c '
import os, sys
log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
while True:
    try:
        sys.stdout.buffer.write(os.read(log, 8192))
    except BlockingIOError:
        break
' >/tmp/kmsg.raw"""

_CONFIGURATION = """sinks = [{sinks}]
translate.join_continuations = false  # the laboratory compares with the ring, record by record
[file]
format = "{form}"
"""

_KEPT = (
    SERVICE_LOG,
    SYSLOGD_LOG,
    "/proc/modules",
    "/proc/kallsyms",
    "/proc/version",
    "/proc/cmdline",
    POSITION,
)


class Tally(Struct):
    """How many code addresses the tests had named in a guest, and of how many the name was right.
    Mutable."""

    addresses: int = 0
    named: int = 0
    right: int = 0
    # Where the processor stood in data, of which nobody has a name
    astray: int = 0
    # Of the boots so far, where they were asked for
    slides: list[int] = []

    def count(self, *, is_code: bool, is_named: bool, is_right: bool) -> None:
        """Add one address."""
        if is_code:
            self.addresses += 1
            self.named += is_named
            self.right += is_right
        else:
            self.astray += 1


class Session:
    """A running guest with klogd-py in it."""

    def __init__(self, guest: Guest, machine: Machine) -> None:
        self.guest = guest
        self.machine = machine
        self.tally = Tally()
        self._marks = 0

    def start(self, form: str = "text") -> None:
        """Start klogd-py: by its unit where there is systemd, as a daemon of the old school
        elsewhere.

        ``form`` is that of the lines in its file.
        """
        self.configure(form)
        if self.guest.systemd:
            self.machine.run("systemctl start klogd-py")
        else:
            self.machine.run(f"mkdir -p {Path(SERVICE_LOG).parent} && klogd")

    def configure(self, form: str = "text") -> None:
        """Write its configuration, and have rsyslog leave the kernel's messages to it."""
        sinks = (
            ["syslog", f"file:{SERVICE_LOG}", "journal"]
            if self.guest.systemd
            else [f"file:{SERVICE_LOG}"]
        )
        configuration = _CONFIGURATION.format(
            sinks=", ".join(f'"{sink}"' for sink in sinks), form=form
        )
        self.machine.put("/etc/klogd-py.toml.d/lab.toml", configuration)
        if self.guest.systemd:
            # rsyslog reads the kernel's messages itself, unless told not to: klogd-py takes its
            # place
            self.machine.run(
                "sed -i 's/^module(load=\"imklog\")/#&/' /etc/rsyslog.conf && systemctl restart rsyslog"
            )

    def restart(self) -> None:
        """Stop klogd-py and start it again."""
        if self.guest.systemd:
            self.machine.run("systemctl restart klogd-py")
        else:
            self.machine.run("kill $(cat /run/klogd.pid)")
            self.machine.wait_until("[ ! -e /run/klogd.pid ]")
            self.machine.run("klogd")

    @property
    def map_path(self) -> str:
        """Where the guest's kernel would have its map."""
        release = (self.guest.kernel() / "release").read_text().strip()
        return f"/boot/System.map-{release}"

    @contextmanager
    def map_in_boot(self) -> Iterator[str]:
        """The right map, whole, in the guest's /boot, and what was there before afterwards.

        The path.
        """
        self.machine.run(f"cp -a {self.map_path} /root/stub 2>/dev/null || true")
        try:
            self.machine.put("/boot/map", (self.guest.kernel() / "System.map").read_bytes())
            self.machine.run(f"mv /boot/map {self.map_path}")
            yield self.map_path
        finally:
            self.machine.run(f"mv /root/stub {self.map_path} 2>/dev/null || rm {self.map_path}")

    def load(self) -> None:
        """Load our module if it is not.

        Without depmod, which takes its time in an emulated machine.
        """
        self.machine.run(
            f"test -e {TROUBLE} || insmod /lib/modules/$(uname -r)/extra/klogd_trouble.ko"
        )

    def crash(self, kind: str) -> None:
        """Provoke trouble: of LKDTM where the name is in capitals, else of our own module.

        The shell that asks for it dies of an oops, which is as it should be.
        """
        if kind.isupper():
            self.machine.run(
                f"modprobe lkdtm; grep -qx {kind} {PROVOKE} || {{ echo no such type: {kind}; exit 1; }}"
            )
            self.machine.attempt(f"echo {kind} >{PROVOKE}")
        else:
            self.load()
            self.machine.attempt(f"echo {kind} >{TROUBLE}")

    def settle(self) -> None:
        """Wait until what the kernel has said by now stands in klogd-py's file.

        A mark of our own, which comes last.
        """
        self._marks += 1
        mark = f"vm-lab mark {self._marks}"
        self.machine.run(f"echo '<7>{mark}' >/dev/kmsg")
        self.machine.wait_until(f"grep -q '{mark}\\>' {SERVICE_LOG}")

    def written(self) -> str:
        """What klogd-py has written to its file, once it has caught up."""
        self.settle()
        return self.machine.get(SERVICE_LOG).decode("utf-8", "replace")

    def spans(self) -> list[tuple[int, int]]:
        """The numbers that klogd-py's file holds, in its order.

        Of each record, and from where to where each gap reaches.
        """
        documents = [json.loads(line) for line in self.written().splitlines()]
        kept = [told for told in documents if "seq" in told or "gap" in told]
        return [
            (told["gap"]["first"], told["gap"]["last"]) if "gap" in told else (told["seq"],) * 2
            for told in kept
        ]

    def settled_seq(self) -> int:
        """The last number in the file, once klogd-py has caught up."""
        return self.spans()[-1][1]

    def memory_kib(self) -> int:
        """What klogd-py holds in memory: its resident set."""
        return int(
            self.machine.run(
                "grep VmRSS /proc/$(systemctl show -P MainPID klogd-py)/status"
            ).split()[1]
        )

    def raw(self) -> bytes:
        """The whole ring of the kernel, as reads of /dev/kmsg give it."""
        self.machine.run(_READ_RAW)
        return self.machine.get("/tmp/kmsg.raw")

    def truth(self) -> dict[tuple[str, str], int]:
        """Where things are, by (module, symbol), from our module, which needs no symbol table of
        the kernel's."""
        self.load()
        rows = [line.split() for line in self.machine.get(TROUBLE).decode().splitlines()]
        return {(module, symbol): int(address, 16) for module, symbol, address in rows}

    def keep(self, place: Path) -> None:
        """Leave in a directory.

        Raw records, what each sink got, modules, sections, slide and symbols as they truly are.
        """
        self.settle()
        (place / "kmsg.raw").write_bytes(self.raw())
        for path in _KEPT:
            if self.machine.attempt(f"test -r {path}")[0] == 0:
                name = "klogd-py.log" if path == SERVICE_LOG else Path(path).name
                (place / name).write_bytes(self.machine.get(path))
        if self.guest.systemd:
            self.machine.run("journalctl -o json --no-pager >/tmp/journal.json")
            (place / "journal.json").write_bytes(self.machine.get("/tmp/journal.json"))
        sections = (
            "for file in /sys/module/*/sections/.text; do echo $file $(cat $file); done 2>/dev/null"
        )
        (place / "sections").write_text(self.machine.run(sections, check=False))
        truth = self.truth()
        (place / "truth").write_text(
            "".join(f"{module} {symbol} {at:#x}\n" for (module, symbol), at in truth.items())
        )
        at = binary(self.guest, self.guest.kernel() / "vmlinux").address_of("_printk")
        (place / "slide").write_text(f"{truth['kernel', '_printk'] - at:#x}\n")

    def keep_binaries(self, place: Path) -> None:
        """Leave in a directory what the guest's kernel was made to, as links.

        Map, vmlinux, release, our module.
        """
        place.mkdir(parents=True, exist_ok=True)
        kernel = self.guest.kernel()
        for file in (
            kernel / "System.map",
            kernel / "vmlinux",
            kernel / "release",
            self.guest.trouble(),
        ):
            link = place / file.name
            link.unlink(missing_ok=True)
            link.symlink_to(file)


def crash_kinds(source: Path) -> list[str]:
    """The names that our module knows, read off its source."""
    return re.findall(r'^\t\{ "(\w+)", \w+ \},$', source.read_text(), re.MULTILINE)

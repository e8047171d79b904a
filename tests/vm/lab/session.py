# SPDX-License-Identifier: GPL-2.0-or-later
"""Operate a guest: start klogd-py, provoke a crash by name, and copy what it left behind."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from tests.json_documents import read_documents
from tests.vm.lab.binutils import binary
from tests.vm.lab.guests import Guest
from tests.vm.lab.machine import Machine
from tests.vm.lab.roots import GUEST

SERVICE_LOG = "/var/log/klogd-py/kern.log"
SYSLOGD_LOG = "/var/log/kern.log"
POSITION = "/var/lib/klogd-py/position.json"
TROUBLE = "/proc/klogd_trouble"
PROVOKE = "/sys/kernel/debug/provoke-crash/DIRECT"
# Crashes while the module klogd_trouble_init is loaded, and its parameter
LOADING = {"load_oops": "oops", "load_fail": "fail"}

# Read the ring to its end, record by record, as the kernel returns them.
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
translate.join_continuations = false  # the tests compare with the ring, record by record
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
    """How many code addresses of a guest were named, and how many of them rightly. Mutable."""

    addresses: int = 0
    named: int = 0
    right: int = 0
    # The processor was in data, which has no symbols of functions
    in_data: int = 0
    # Of the boots so far, as far as they were determined
    slides: list[int] = []

    def count(self, *, is_code: bool, is_named: bool, is_right: bool) -> None:
        """Add one address."""
        if is_code:
            self.addresses += 1
            self.named += is_named
            self.right += is_right
        else:
            self.in_data += 1


class Session:
    """A running guest with klogd-py in it."""

    def __init__(self, guest: Guest, machine: Machine) -> None:
        self.guest = guest
        self.machine = machine
        self.tally = Tally()
        self._marks = 0

    def start(self, form: str = "text") -> None:
        """Start klogd-py by its unit, or without systemd as a daemon that detaches itself.

        ``form`` is the format of the lines in its file.
        """
        self.configure(form)
        if self.guest.systemd:
            self.machine.run("systemctl start klogd-py")
        else:
            self.machine.run(f"mkdir -p {Path(SERVICE_LOG).parent} && klogd")

    def configure(self, form: str = "text") -> None:
        """Write the configuration, and disable imklog in rsyslog."""
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
            # rsyslog would read the kernel's messages itself
            self.machine.run(
                "sed -i 's/^module(load=\"imklog\")/#&/' /etc/rsyslog.conf && "
                "systemctl restart rsyslog"
            )

    def restart(self) -> None:
        """Stop klogd-py and start it again."""
        if self.guest.systemd:
            self.machine.run("systemctl restart klogd-py")
        else:
            self.machine.run("kill $(cat /run/klogd.pid)")
            self.machine.wait_until("[ ! -e /run/klogd.pid ]")
            self.machine.run("klogd")

    def kill(self) -> None:
        """Kill klogd-py as the kernel would, and wait until it runs again."""
        if self.guest.systemd:
            unit = "systemctl show -P MainPID klogd-py"
            before = self.machine.run(f"{unit}; systemctl kill -s KILL klogd-py").strip()
            self.machine.wait_until(
                f"[ $({unit}) != {before} ] && systemctl is-active -q klogd-py || "
                "{ systemctl status --no-pager klogd-py; false; }"
            )
        else:
            self.machine.run(
                "pid=$(cat /run/klogd.pid); kill -9 $pid; "
                "while [ -e /proc/$pid ]; do sleep 0.1; done; klogd"
            )

    @property
    def map_path(self) -> str:
        """The path of System.map for the guest's kernel."""
        release = (self.guest.kernel() / "release").read_text().strip()
        return f"/boot/System.map-{release}"

    @contextmanager
    def map_in_boot(self) -> Iterator[str]:
        """Put the right map into the guest's /boot and yield its path; restore what was there."""
        self.machine.run(f"cp -a {self.map_path} /root/stub 2>/dev/null || true")
        try:
            self.machine.put("/boot/map", (self.guest.kernel() / "System.map").read_bytes())
            self.machine.run(f"mv /boot/map {self.map_path}")
            yield self.map_path
        finally:
            self.machine.run(f"mv /root/stub {self.map_path} 2>/dev/null || rm {self.map_path}")

    def load(self) -> None:
        """Load klogd_trouble.ko unless it is loaded.

        insmod needs no depmod, which is slow in an emulated machine.
        """
        self.machine.run(
            f"test -e {TROUBLE} || insmod /lib/modules/$(uname -r)/extra/klogd_trouble.ko"
        )

    def crash(self, kind: str) -> None:
        """Provoke a crash: a type of LKDTM if the name is in capitals, else one of our modules.

        An oops kills the shell that asks for it; that is expected.
        """
        if kind.isupper():
            self.machine.run(
                f"modprobe lkdtm; grep -qx {kind} {PROVOKE} || "
                f"{{ echo no such type: {kind}; exit 1; }}"
            )
        elif kind not in LOADING:
            self.load()
        self.machine.attempt(self.command(kind))

    def command(self, kind: str) -> str:
        """Return the command that provokes a crash, once the modules are loaded."""
        if kind in LOADING:
            module = "/lib/modules/$(uname -r)/extra/klogd_trouble_init.ko"
            return f"insmod {module} how={LOADING[kind]}"
        return f"echo {kind} >{PROVOKE if kind.isupper() else TROUBLE}"

    def wait_until_written(self) -> None:
        """Wait until every record up to now is in klogd-py's file.

        A marker is written to /dev/kmsg and awaited.
        """
        self._marks += 1
        mark = f"vm-lab mark {self._marks}"
        self.machine.run(f"echo '<7>{mark}' >/dev/kmsg")
        self.machine.wait_until(f"grep -q '{mark}\\>' {SERVICE_LOG}")

    def written(self) -> str:
        """Return the content of klogd-py's file, after `wait_until_written`."""
        self.wait_until_written()
        return self.machine.get(SERVICE_LOG).decode("utf-8", "replace")

    def spans(self) -> list[tuple[int, int]]:
        """Return the sequence numbers in klogd-py's file, in its order.

        One pair each, first and last: of a record the same number twice, of a gap its range.
        """
        documents = read_documents(self.written())
        kept = [reported for reported in documents if "seq" in reported or "gap" in reported]
        return [
            (reported["gap"]["first"], reported["gap"]["last"])
            if "gap" in reported
            else (reported["seq"],) * 2
            for reported in kept
        ]

    def last_seq(self) -> int:
        """Return the last sequence number in the file, after `wait_until_written`."""
        return self.spans()[-1][1]

    def memory_kib(self) -> int:
        """Return the resident set of klogd-py."""
        return int(
            self.machine.run(
                "grep VmRSS /proc/$(systemctl show -P MainPID klogd-py)/status"
            ).split()[1]
        )

    def read_ring(self) -> bytes:
        """Return the whole ring of the kernel, as reads of /dev/kmsg return it."""
        self.machine.run(_READ_RAW)
        return self.machine.get("/tmp/kmsg.raw")

    def symbol_addresses(self) -> dict[tuple[str, str], int]:
        """Return run-time addresses by (module, symbol).

        klogd_trouble shows them itself, without a symbol table of the kernel.
        """
        self.load()
        rows = [line.split() for line in self.machine.get(TROUBLE).decode().splitlines()]
        return {(module, symbol): int(address, 16) for module, symbol, address in rows}

    def save_state(self, place: Path) -> None:
        """Write raw records, sinks' output, modules, sections, slide and symbols to a directory."""
        self.wait_until_written()
        (place / "kmsg.raw").write_bytes(self.read_ring())
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
        truth = self.symbol_addresses()
        (place / "truth").write_text(
            "".join(f"{module} {symbol} {at:#x}\n" for (module, symbol), at in truth.items())
        )
        at = binary(self.guest, self.guest.kernel() / "vmlinux").address_of("_printk")
        (place / "slide").write_text(f"{truth['kernel', '_printk'] - at:#x}\n")

    def link_binaries(self, place: Path) -> None:
        """Link map, vmlinux, release and klogd_trouble.ko of the kernel into a directory."""
        place.mkdir(parents=True, exist_ok=True)
        kernel = self.guest.kernel()
        for file in (
            kernel / "System.map",
            kernel / "vmlinux",
            kernel / "release",
            self.guest.crash_module(),
        ):
            link = place / file.name
            link.unlink(missing_ok=True)
            link.symlink_to(file)


def crash_kinds() -> list[str]:
    """Return the names of the crashes that can be provoked, found in the modules' source."""
    return [
        *(
            name
            for source in sorted((GUEST / "module").glob("*.c"))
            for name in re.findall(r'^\t\{ "(\w+)", \w+ \},$', source.read_text(), re.MULTILINE)
        ),
        *LOADING,
    ]

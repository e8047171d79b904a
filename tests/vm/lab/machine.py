# SPDX-License-Identifier: GPL-2.0-or-later
"""Run one virtual machine: QEMU with software emulation, a console file, a channel to the agent.

Every wait has a limit. Every error quotes the end of the guest's console.
"""

import base64
import json
import os
import shlex
import shutil
import socket
import subprocess
import time
import zlib
from pathlib import Path

from tests.vm.lab.images import Image

# Multiplies every limit, for machines slower than two cores of 2023
SLOWNESS = float(os.environ.get("KLOGD_VM_SLOWNESS", "1"))
BOOT_LIMIT_S = 300 * SLOWNESS
COMMAND_LIMIT_S = 60 * SLOWNESS
_CONSOLE_END_BYTES = 2000
# More than a boot prints
_BOOT_BYTES = 1 << 20

# One thread for both processors. With a thread for each, QEMU before 8.1 may translate an
# instruction while the other processor patches it, and the kernel panics at a static key
# (Launchpad bug 2051965).
_ACCELERATOR = "tcg,thread=single"
QEMU = {
    "amd64": ["qemu-system-x86_64", "-machine", "q35", "-accel", _ACCELERATOR, "-cpu", "max"],
    "arm64": [
        "qemu-system-aarch64",
        "-machine",
        "virt",
        "-accel",
        _ACCELERATOR,
        "-cpu",
        "max,pauth-impdef=on",
    ],
}
CONSOLES = {"amd64": "ttyS0", "arm64": "ttyAMA0"}


class GuestFailed(RuntimeError):
    """The guest or a request to it failed.

    The message holds the guest, the request and the end of the console.
    """


class GuestPanicked(GuestFailed):
    """The guest's kernel panicked."""


class Machine:
    """A guest under QEMU. Mutable: it is started and stopped."""

    def __init__(
        self,
        name: str,
        architecture: str,
        image: Image,
        place: Path,
        *,
        memory_mib: int,
        arguments: str = "",
        drive: Path | None = None,
    ) -> None:
        """``place`` is the directory of the console file; ``arguments`` go to the kernel.

        ``drive`` is a second disk, read only.
        """
        self.name = name
        self.boot_s = 0.0
        self._place = place
        # Where the console of the present boot begins
        self._boot_start = 0
        self._archives = image.archives
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._pending = b""
        self._request_number = 0
        # The path of a socket has at most 107 characters. Large files are here as well.
        self._scratch = Path(f"/tmp/vm-lab-{os.getpid()}-{name}-{id(self):x}")
        line = f"console={CONSOLES[architecture]} printk.devkmsg=on {arguments}"
        if image.disk is not None:
            line += " root=/dev/vda rw"
        self._command = [
            *QEMU[architecture],
            *(
                "-smp",
                # One core each: the table of a machine without ACPI lists sockets alone
                "2,sockets=2",
                "-m",
                str(memory_mib),
                "-nodefaults",
                "-no-user-config",
                "-display",
                "none",
                "-nic",
                "none",
            ),
            *("-kernel", str(image.kernel), "-initrd", f"{self._scratch}/initrd", "-append", line),
            *(
                "-chardev",
                f"file,id=console,path={self.console},append=on",
                "-serial",
                "chardev:console",
            ),
            *("-device", "virtio-rng-pci", "-device", "virtio-serial-pci"),
            *("-chardev", f"socket,id=lab,path={self._scratch}/lab,server=on,wait=off"),
            *("-device", "virtserialport,chardev=lab,name=lab"),
            *("-chardev", f"socket,id=shell,path={self.shell_socket},server=on,wait=off"),
            *("-qmp", f"unix:{self._scratch}/monitor,server=on,wait=off"),
            *("-device", "virtconsole,chardev=shell"),
        ]
        if image.disk is not None:
            self._command += ["-drive", f"file={image.disk},format=raw,if=virtio,snapshot=on"]
        if drive is not None:
            self._command += ["-drive", f"file={drive},format=raw,if=virtio,readonly=on"]

    @property
    def console(self) -> Path:
        """The file to which the guest's kernel prints."""
        return self._place / "console.log"

    @property
    def shell_socket(self) -> Path:
        """The socket of a root shell in the guest."""
        return self._scratch / "shell"

    def start(self, limit_s: float = BOOT_LIMIT_S) -> None:
        """Boot and wait until the agent answers; raises GuestFailed."""
        if shutil.which(self._command[0]) is None:
            raise GuestFailed(f"{self._command[0]} is not installed; run: scripts/setup --vm")
        self._scratch.mkdir(mode=0o700)
        # The kernel unpacks concatenated archives in order
        with (self._scratch / "initrd").open("wb") as joined:
            for archive in self._archives:
                joined.write(archive.read_bytes())
        self._place.mkdir(parents=True, exist_ok=True)
        with (self._place / "qemu.log").open("wb") as said:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=said, stderr=said
            )
        started = time.monotonic()
        self._channel = self._connect(started + 10 * SLOWNESS)
        self._await_hello(started, limit_s)

    def run(self, script: str, limit_s: float = COMMAND_LIMIT_S, check: bool = True) -> str:
        """Run a shell script in the guest and return its output, both streams together.

        Raises GuestFailed if the status is not 0 and ``check`` is set.
        """
        status, output = self.attempt(script, limit_s)
        if status and check:
            raise self._failure(f"status {status} from: {script}\n{output}")
        return output

    def attempt(self, script: str, limit_s: float = COMMAND_LIMIT_S) -> tuple[int, str]:
        """Run a shell script and return its exit status (124 at the limit) and its output."""
        reply = self._request({"run": script, "limit_s": limit_s}, limit_s + 20 * SLOWNESS)
        return int(str(reply["status"])), base64.b64decode(str(reply["output"])).decode(
            "utf-8", "surrogateescape"
        )

    def put(self, path: str, content: bytes | str, mode: str = "644") -> None:
        """Write a file in the guest."""
        packed = zlib.compress(content.encode() if isinstance(content, str) else content)
        self._request(
            {"put": path, "mode": mode, "content": base64.b64encode(packed).decode()},
            COMMAND_LIMIT_S,
        )

    def get(self, path: str) -> bytes:
        """Read a file of the guest, also one under /proc."""
        return zlib.decompress(
            base64.b64decode(str(self._request({"get": path}, COMMAND_LIMIT_S)["content"]))
        )

    def wait_until(self, script: str, limit_s: float = COMMAND_LIMIT_S) -> str:
        """Run a script repeatedly until it succeeds and return its output.

        Raises GuestFailed at the limit.
        """
        until = time.monotonic() + limit_s
        while True:
            status, output = self.attempt(script, limit_s)
            if status == 0:
                return output
            if time.monotonic() > until:
                raise self._failure(f"no success after {limit_s:.0f} s: {script}\n{output}")
            time.sleep(0.3)

    def reboot(self) -> None:
        """Restart the guest with the same disk and wait until the agent answers."""
        self._boot_start = self.console.stat().st_size
        self.attempt(
            "(sleep 0.5; systemctl reboot 2>/dev/null || { sync; echo b >/proc/sysrq-trigger; }) "
            ">/dev/null 2>&1 &"
        )
        self._await_hello(time.monotonic(), BOOT_LIMIT_S)

    def stop(self) -> None:
        """Kill the machine, whatever its state."""
        if self._channel is not None:
            self._channel.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def __enter__(self) -> "Machine":
        """Start."""
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def _connect(self, until: float) -> socket.socket:
        channel = socket.socket(socket.AF_UNIX)
        while True:
            try:
                channel.connect(str(self._scratch / "lab"))
                return channel
            except (FileNotFoundError, ConnectionRefusedError):
                self._check_alive()
                if time.monotonic() > until:
                    raise self._failure("QEMU does not open its sockets") from None
                time.sleep(0.02)

    def _await_hello(self, started: float, limit_s: float) -> None:
        """Wait for the agent; reset once if the kernel panicked before any program ran.

        Such a panic is the emulator's fault.
        """
        try:
            self._receive_hello(started, limit_s)
        except GuestPanicked:
            if "Run /" in self._console_tail(_BOOT_BYTES):
                raise
            self._reset()
            self._receive_hello(started, limit_s)
        self.boot_s = self.boot_s or time.monotonic() - started

    def _receive_hello(self, started: float, limit_s: float) -> None:
        while "hello" not in self._receive(
            started + limit_s, f"did not finish booting within {limit_s:.0f} s"
        ):
            pass

    def _reset(self) -> None:
        """Restart the guest as its reset button does; the disk keeps what was written."""
        with socket.socket(socket.AF_UNIX) as monitor, monitor.makefile("rwb") as lines:
            monitor.settimeout(10 * SLOWNESS)
            monitor.connect(str(self._scratch / "monitor"))
            self._boot_start = self.console.stat().st_size
            lines.write(b'{"execute": "qmp_capabilities"}\n{"execute": "system_reset"}\n')
            lines.flush()
            # The greeting, and two answers
            for _ in range(3):
                lines.readline()

    def _request(self, request: dict[str, object], limit_s: float) -> dict[str, object]:
        assert self._channel is not None
        self._channel.settimeout(limit_s)
        shown = str(request.get("run") or request.get("put") or request.get("get"))
        self._request_number += 1
        try:
            self._channel.sendall(
                json.dumps(request | {"number": self._request_number}).encode() + b"\n"
            )
        except OSError as error:
            raise self._failure(f"request not sent ({error}): {shown}") from error
        until = time.monotonic() + limit_s
        while True:
            reply = self._receive(until, f"no answer within {limit_s:.0f} s to: {shown}")
            if "hello" in reply:
                raise self._failure(f"restarted during: {shown}")
            # The answer to an earlier request may arrive after its limit
            if reply["number"] == self._request_number:
                break
        if "error" in reply:
            raise self._failure(str(reply["error"]))
        return reply

    def _receive(self, until: float, timeout_message: str) -> dict[str, object]:
        assert self._channel is not None
        while b"\n" not in self._pending:
            self._check_alive()
            self._channel.settimeout(1.0)
            try:
                chunk = self._channel.recv(1 << 16)
            except TimeoutError:
                if time.monotonic() > until:
                    raise self._failure(timeout_message) from None
                continue
            if not chunk:
                raise self._failure("QEMU ended")
            self._pending += chunk
        line, _, self._pending = self._pending.partition(b"\n")
        reply: dict[str, object] = json.loads(line)
        return reply

    def _check_alive(self) -> None:
        if self._process is None or self._process.poll() is not None:
            said = (self._place / "qemu.log").read_text(errors="replace").strip()
            raise self._failure(f"QEMU ended: {said or 'no output'}\n{shlex.join(self._command)}")
        if "---[ end Kernel panic" in self._console_tail():
            raise self._failure("its kernel panicked", GuestPanicked)

    def _console_tail(self, size: int = _CONSOLE_END_BYTES) -> str:
        """Return the end of what the guest printed since it was last booted."""
        if not self.console.exists():
            return ""
        with self.console.open("rb") as console:
            console.seek(max(self._boot_start, self.console.stat().st_size - size))
            return console.read().decode(errors="replace")

    def _failure(self, what: str, kind: type[GuestFailed] = GuestFailed) -> GuestFailed:
        return kind(
            f"guest {self.name}: {what}\n--- its console ends with:\n{self._console_tail()}"
        )

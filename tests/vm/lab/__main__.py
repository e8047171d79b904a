# SPDX-License-Identifier: GPL-2.0-or-later
"""Run one guest from the command line: scripts/vm-lab."""

import argparse
import os
import selectors
import shlex
import socket
import sys
import tempfile
import termios
import tty
from collections.abc import Sequence
from pathlib import Path

from tests.vm.lab.cache import report
from tests.vm.lab.guests import GUESTS, Guest
from tests.vm.lab.machine import GuestFailed, Machine
from tests.vm.lab.roots import BuildFailed
from tests.vm.lab.session import Session, crash_kinds

# Ctrl-]
END_OF_SHELL = b"\x1d"
# A shell that prints nothing for so long has executed everything piped into it
SILENCE_S = 3.0


def main(words: Sequence[str] | None = None) -> int:
    """Run one guest as the command line says.

    The status is 1 if the guest failed, else that of COMMAND.
    """
    options = _options(words)
    guest = GUESTS[options.guest]
    if options.make:
        return _build(guest)
    place = Path(options.keep or tempfile.mkdtemp(prefix="vm-lab-")).absolute()
    try:
        machine = guest.machine(place, options.append)
        with machine:
            report(f"{guest.name}: booted in {machine.boot_s:.1f} s")
            guest.prepare(machine)
            return _run_session(Session(guest, machine), options, place)
    except (GuestFailed, BuildFailed) as error:
        print(f"vm-lab: {error}", file=sys.stderr)
        return 1


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    ours = ", ".join(crash_kinds())
    parser = argparse.ArgumentParser(
        prog="vm-lab",
        usage="vm-lab GUEST [--crash KIND]... [--shell] [--keep DIR] [--append ARGS] [--make] "
        "[-- COMMAND]",
        description="Boot a guest with klogd-py, provoke a crash, and save what was logged.",
        epilog="To end a shell: Ctrl-].",
    )
    parser.add_argument(
        "guest", choices=sorted(GUESTS), metavar="GUEST", help=", ".join(sorted(GUESTS))
    )
    parser.add_argument(
        "--crash",
        metavar="KIND",
        action="append",
        default=[],
        help=f"of our modules: {ours}; on bare also any type of LKDTM, in capitals; "
        "may be repeated",
    )
    parser.add_argument(
        "--shell", action="store_true", help="open a root shell in the guest after everything else"
    )
    parser.add_argument(
        "--keep",
        metavar="DIR",
        default="",
        help="write raw records, each sink's output, maps, symbol addresses and console to DIR",
    )
    parser.add_argument(
        "--make",
        action="store_true",
        help="only build what the guest boots from, if it is missing",
    )
    parser.add_argument(
        "--append",
        metavar="ARGS",
        default="",
        help="arguments for the guest's kernel, such as nokaslr",
    )
    parser.add_argument_group(
        "-- COMMAND"
    ).description = "run a command in the guest and print its output"
    given = list(sys.argv[1:] if words is None else words)
    end = given.index("--") if "--" in given else len(given)
    options = parser.parse_args(given[:end])
    options.command = given[end + 1 :]
    for kind in options.crash:
        if kind.isupper() and options.guest != "bare":
            parser.error(f"--crash {kind}: types of LKDTM are for the guest bare")
        if not kind.isupper() and kind not in crash_kinds():
            parser.error(f"--crash {kind}: not one of {ours}, nor a type of LKDTM in capitals")
    return options


def _build(guest: Guest) -> int:
    try:
        guest.make()
    except BuildFailed as error:
        print(f"vm-lab: {guest.name}: {error}", file=sys.stderr)
        return 1
    return 0


def _run_session(session: Session, options: argparse.Namespace, place: Path) -> int:
    if options.keep:
        # First, because a guest may not survive its crash
        session.link_binaries(place)
    session.start()
    for kind in options.crash:
        session.crash(kind)
    status = 0
    if options.command:
        status, output = session.machine.attempt(shlex.join(options.command))
        sys.stdout.buffer.write(output.encode("utf-8", "surrogateescape"))
        sys.stdout.flush()
    if options.shell:
        attach_shell(session.machine)
    if options.keep:
        session.save_state(place)
        report(f"saved to {place}: {', '.join(sorted(file.name for file in place.iterdir()))}")
    elif options.crash:
        print(session.written(), end="")
    return status


def attach_shell(machine: Machine) -> None:
    """Connect the terminal with the guest's shell until Ctrl-], or until the shell is silent after
    the end of the input."""
    with socket.socket(socket.AF_UNIX) as shell:
        shell.connect(str(machine.shell_socket))
        shell.sendall(b"\n")
        terminal = sys.stdin.fileno()
        before = termios.tcgetattr(terminal) if os.isatty(terminal) else None
        if before is not None:
            tty.setraw(terminal)
        try:
            _copy(shell, terminal)
        finally:
            if before is not None:
                termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _copy(shell: socket.socket, terminal: int) -> None:
    with selectors.DefaultSelector() as wanted:
        wanted.register(shell, selectors.EVENT_READ)
        wanted.register(terminal, selectors.EVENT_READ)
        patience_s = None
        while True:
            ready = wanted.select(patience_s)
            if not ready:
                return
            for key, _ in ready:
                if key.fd == terminal:
                    typed = os.read(terminal, 1 << 12)
                    if END_OF_SHELL in typed:
                        return
                    if not typed:
                        wanted.unregister(terminal)
                        patience_s = SILENCE_S
                    shell.sendall(typed)
                    continue
                said = shell.recv(1 << 16)
                if not said:
                    return
                os.write(1, said)


if __name__ == "__main__":
    sys.exit(main())

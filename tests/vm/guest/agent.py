#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run in a guest, execute requests that come over a virtio port, and answer with the results.

One JSON document per line each way. A request ``{"run": "shell script", "limit_s": 30}`` is
answered with ``{"status", "output"}``; ``{"put": PATH, "mode", "content"}`` and ``{"get": PATH}``
move files; content is base64. An answer has the ``number`` of its request. Content is packed (zlib)
below the base64.
"""

import base64
import json
import os
import signal
import subprocess
import time
import zlib
from pathlib import Path

PORT = Path("/dev/virtio-ports/lab")


def find_port() -> str:
    """Return the path of the port, which without udev has no name of its own."""
    # Its driver may be a module that udev is about to load
    for _ in range(600):
        if PORT.exists():
            return str(PORT)
        for port in sorted(Path("/sys/class").glob("virtio-ports/*")):
            if (port / "name").exists() and (port / "name").read_text().strip() == "lab":
                return f"/dev/{port.name}"
        time.sleep(0.1)
    raise SystemExit("agent: no virtio port named lab")


def answer(request: dict[str, object]) -> dict[str, object]:
    """Execute a request and return the answer."""
    if "run" in request:
        return run(str(request["run"]), float(str(request["limit_s"])))
    try:
        if "put" in request:
            path = Path(str(request["put"]))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(zlib.decompress(base64.b64decode(str(request["content"]))))
            path.chmod(int(str(request["mode"]), 8))
            return {}
        return {
            "content": base64.b64encode(
                zlib.compress(Path(str(request["get"])).read_bytes(), 1)
            ).decode()
        }
    except OSError as error:
        return {"error": str(error)}


def run(script: str, limit_s: float) -> dict[str, object]:
    """Run a shell script in a process group of its own, which is killed at the limit."""
    with open("/tmp/.lab-output", "w+b") as output:
        # Into a file: with a pipe, a daemon started by the script would keep the agent waiting
        child = subprocess.Popen(
            ["/bin/sh", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = child.wait(limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            status = 124
        output.seek(0)
        return {"status": status, "output": base64.b64encode(output.read()).decode()}


def main() -> None:
    """Answer requests until the machine goes down."""
    with open(find_port(), "r+b", buffering=0) as port:
        port.write(b'{"hello": 1}\n')
        pending = bytearray()
        while True:
            chunk = port.read(1 << 16)
            # The host is not connected
            if not chunk:
                time.sleep(0.05)
                continue
            pending += chunk
            if b"\n" not in chunk:
                # A file is a long line
                continue
            *requests, rest = bytes(pending).split(b"\n")
            pending = bytearray(rest)
            for request in requests:
                asked = json.loads(request)
                reply = json.dumps(answer(asked) | {"number": asked["number"]}).encode() + b"\n"
                while reply:
                    reply = reply[port.write(reply) or 0 :]


if __name__ == "__main__":
    main()

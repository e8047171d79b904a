# SPDX-License-Identifier: GPL-2.0-or-later
"""Find every job that klogd-py starts and the boundary around it, by parsing the sources."""

import ast
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

PACKAGE = Path(__file__).parents[1] / "klogd_py"
BOUNDARIES = {"guard", "run", "supervise", "call"}
# Calls that start a job, with the place or the keyword of the argument that is to run.
STARTERS: dict[str, int | str] = {
    "create_task": 0, "ensure_future": 0, "run_coroutine_threadsafe": 0, "gather": 0,
    "call_soon": 0, "call_soon_threadsafe": 0, "call_later": 1, "call_at": 1,
    "add_done_callback": 0, "add_reader": 1, "add_writer": 1, "add_signal_handler": 1,
    "start_server": 0, "start_unix_server": 0, "create_server": 0, "create_unix_server": 0,
    "create_datagram_endpoint": 0, "connect_read_pipe": 0, "connect_write_pipe": 0,
    "set_exception_handler": 0, "to_thread": 0, "run_in_executor": 1, "submit": 0,
    "Thread": "target", "Timer": 1, "start_new_thread": 0, "Process": "target", "schedule": 0,
    "signal": 1, "register": 0, "finalize": 1, "fork": 0,
}  # fmt: skip
# Names that other functions have, too: these start a job only when called on this module.
QUALIFIED = {
    "gather": "asyncio",
    "register": "atexit",
    "signal": "signal",
    "Process": "multiprocessing",
    "fork": "os",
}
# Jobs that handle all errors themselves, and how.
OWN_BOUNDARY = {
    ("system/worker_thread.py", "_work"): "what a call raises is raised where it is awaited",
    ("system/worker_thread.py", "settle"): "sets the result of a future",
    ("system/jobs.py", "escaped"): "is the boundary of jobs that libraries start",
    ("system/cpu_limit.py", "interrupt"): "interrupts the function that is called within a limit",
    ("system/cpu_limit.py", "previous"): "is the handler that was there before",
    ("system/signals.py", "_exit"): "ends the program before the event loop runs",
    ("system/daemonize.py", "os.fork"): "is the daemon itself",
    ("sources/source.py", "woken.set"): "sets an event",
    ("symbols/file_bytes.py", "os.close"): "closes a descriptor that nobody else has",
}


class Site(Struct, frozen=True):
    """A call of a boundary: a file and the lines of the call.

    ``starts`` says that the call is an argument of one that starts a job.
    """

    file: str
    first: int
    last: int
    starts: bool

    @property
    def name(self) -> str:
        """File and line, as an editor opens them."""
        return f"{self.file}:{self.first}"


class Start(Struct, frozen=True):
    """A place where a job is started, with the boundary that it has, if any."""

    file: str
    line: int
    what: str
    boundary: ast.Call | None


def files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def starts(path: Path, source: str | None = None) -> list[Start]:
    """Find the calls in a file that start a job, except those in `OWN_BOUNDARY`."""
    tree = ast.parse(path.read_text() if source is None else source)
    found = []
    for function in [
        tree,
        *(
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ),
    ]:
        for node in _own_nodes(function):
            if not isinstance(node, ast.Call) or (given := _given(node)) is None:
                continue
            what = ast.unparse(given)
            if (
                name_of(path),
                what.removeprefix("self."),
            ) in OWN_BOUNDARY or what == "signal.SIG_IGN":
                continue
            found.append(
                Start(
                    name_of(path),
                    node.lineno,
                    f"{ast.unparse(node.func)}({what})",
                    _boundary(given, function),
                )
            )
    return found


def sites() -> list[Site]:
    """Find every boundary in the package."""
    found = []
    for path in files():
        if path.name == "jobs.py":
            continue
        starting = {start.boundary.lineno for start in starts(path) if start.boundary is not None}
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and _is_boundary(node):
                found.append(
                    Site(
                        name_of(path),
                        node.lineno,
                        node.end_lineno or node.lineno,
                        node.lineno in starting,
                    )
                )
    return found


def _own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a function, without those of nested functions."""
    for node in ast.iter_child_nodes(function):
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _own_nodes(node)


def _given(call: ast.Call) -> ast.expr | None:
    """Return what a call that starts a job is to run; ``None`` for any other call."""
    name = (
        call.func.attr
        if isinstance(call.func, ast.Attribute)
        else call.func.id
        if isinstance(call.func, ast.Name)
        else ""
    )
    place = STARTERS.get(name)
    if place is None:
        return None
    if name in QUALIFIED and ast.unparse(call.func) not in (
        f"{QUALIFIED[name]}.{name}",
        f"loop.{name}",
    ):
        return None
    if name == "fork":
        return call.func
    if isinstance(place, str):
        return next((keyword.value for keyword in call.keywords if keyword.arg == place), call)
    return call.args[place] if len(call.args) > place else call


def _boundary(given: ast.expr, function: ast.AST) -> ast.Call | None:
    """Return the boundary in an expression, or in the assignment or function that it names."""
    for node in ast.walk(given):
        if _is_boundary(node):
            assert isinstance(node, ast.Call)
            return node
    if isinstance(given, ast.Name):
        for node in _own_nodes(function):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == given.id:
                return _boundary(node.value, ast.Module([], []))
            if (
                isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                and node.name == given.id
                and len(node.body) == 1
            ):
                return next(
                    (
                        inner
                        for inner in ast.walk(node)
                        if isinstance(inner, ast.Call) and _is_boundary(inner)
                    ),
                    None,
                )
    return None


def _is_boundary(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    known = isinstance(node.func, ast.Attribute) and node.func.attr in BOUNDARIES
    return known and ast.unparse(node.func).rpartition(".")[0].removeprefix("self.") in (
        "jobs",
        "_jobs",
    )

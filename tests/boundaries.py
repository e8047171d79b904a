# SPDX-License-Identifier: GPL-2.0-or-later
"""Which jobs does klogd-py start, and which boundary has each? Read from the sources, so that none
can be forgotten."""

import ast
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

PACKAGE = Path(__file__).parents[1] / "klogd_py"
BOUNDARIES = {"guard", "run", "supervise", "call"}
# What starts something that runs by itself, and where among its arguments, or by which name, it is
# given what is to run.
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
# Names that others have, too: they start something only where they stand behind their module.
QUALIFIED = {
    "gather": "asyncio",
    "register": "atexit",
    "signal": "signal",
    "Process": "multiprocessing",
    "fork": "os",
}
# What has a boundary of its own, and why.
OWN_BOUNDARY = {
    ("system/worker_thread.py", "_work"): "whatever a call raises is handed to who waits for it",
    ("system/worker_thread.py", "settle"): "hands over an answer",
    ("system/jobs.py", "escaped"): "is the boundary of what libraries start",
    ("system/signals.py", "_exit"): "ends the program, while nothing runs yet",
    ("system/daemonize.py", "os.fork"): "is the daemon itself",
    ("sources/source.py", "woken.set"): "sets an event",
    ("symbols/file_bytes.py", "os.close"): "closes a descriptor that nobody else has",
}


class Site(Struct, frozen=True):
    """Where a boundary is drawn: a file and the lines of the call.

    ``starts`` says that a job is started with it.
    """

    file: str
    first: int
    last: int
    starts: bool

    @property
    def name(self) -> str:
        """As a person would look it up."""
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
    """Every place in a file where a job is started that is not among those with a boundary of their
    own."""
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
    """Every boundary in the package."""
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
    """The nodes of a function but for those of functions within it."""
    for node in ast.iter_child_nodes(function):
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _own_nodes(node)


def _given(call: ast.Call) -> ast.expr | None:
    """What a call that starts something is given to run; ``None`` for any other call."""
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
    """The boundary within an expression, or within what a name in it was last given or defined as
    in its function."""
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

# SPDX-License-Identifier: GPL-2.0-or-later
"""Which modules make, change or remove anything by its name.

Each is in the table of docs/security.md, and safe for root.
"""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "klogd_py"
# fmt: off
BY_NAME = {
    "bind", "chmod", "chown", "hardlink_to", "lchmod", "lchown", "link",
    "makedirs", "mkdir", "mkfifo", "mknod", "removedirs", "rename", "renames",
    "rmdir", "symlink", "symlink_to", "touch", "truncate", "unlink", "utime",
    "write_bytes", "write_text",
}
# fmt: on
ALLOWED = {
    # Where require_irreplaceable has been asked
    ("system/local_socket", "bind"),
    # Through /proc/self/fd
    ("system/local_socket", "chmod"),
    ("system/local_socket", "chown"),
    # In an open directory of root's own
    ("system/local_socket", "mkdir"),
    # Within an open directory
    ("sinks/rotation", "rename"),
    ("spool/report_directory", "mkdir"),
    ("spool/report_directory", "rename"),
    ("monitoring/prometheus", "rename"),
    ("monitoring/prometheus", "unlink"),
    ("system/trusted_directory", "unlink"),
    # Netlink
    ("watch/uevents", "bind"),
}
MAY_CREATE = {
    "system/pidfile",
    "monitoring/prometheus",
    "sinks/cursor_file",
    "spool/report_directory",
    "system/regular_file",
    "sinks/log_file",
    "sinks/preopened_files",
    "system/trusted_directory",
}


def test_nothing_else_is_touched_by_its_name() -> None:
    touched, creating = set(), set()
    for path in PACKAGE.rglob("*.py"):
        module = str(path.relative_to(PACKAGE).with_suffix(""))
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in BY_NAME
            ):
                touched.add((module, node.func.attr))
            if isinstance(node, ast.Attribute) and node.attr == "O_CREAT":
                creating.add(module)
    assert touched == ALLOWED
    assert creating == MAY_CREATE


def test_no_path_is_opened_for_writing() -> None:
    opened, written = 0, []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and _opens(node):
                opened += 1
                arguments = (*node.args, *(key.value for key in node.keywords))
                words = [word.value for word in arguments if isinstance(word, ast.Constant)]
                if any(_writes(word) for word in words):
                    written.append(f"{path}:{node.lineno}")
    assert opened >= 3, "the search finds what opens files"
    assert written == []


def _opens(call: ast.Call) -> bool:
    """Whether a call opens something that is not open already.

    Path.open, gzip.open, open with a path.
    """
    if isinstance(call.func, ast.Attribute):
        return call.func.attr == "open"
    by_descriptor = (
        bool(call.args) and isinstance(call.args[0], ast.Name) and call.args[0].id == "descriptor"
    )
    return isinstance(call.func, ast.Name) and call.func.id == "open" and not by_descriptor


def _writes(word: object) -> bool:
    return isinstance(word, str) and bool(set(word) & set("wax+")) and set(word) <= set("rwaxbt+")

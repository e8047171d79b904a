# SPDX-License-Identifier: GPL-2.0-or-later
# Functions for the other scripts, which read this file with `.`: messages, the choice of a Python,
# the owner of the clone, the lock, and commands that run in the virtual environment.
#
# `home` is the clone. VENV names the virtual environment, PYTHON the Python to make it with.
# shellcheck shell=sh
home=$(cd "$(dirname "$0")/.." && pwd -P) || exit 1
venv=${VENV:-.venv}
case $venv in
    /*) ;;
    *) venv=$home/$venv ;;
esac
uid=$(id -u)

# Standard output belongs to the program that is run afterwards.
say() {
    printf '%s\n' "$@" >&2
}

# The system's own Python first: a system-wide installation must not depend on a Python in a home
# directory. A distribution may call a newer Python than its own by its version.
pick_python() {
    for candidate in ${PYTHON:-/usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11}
    do
        if "$candidate" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
}

# Where the caller is root and the clone is not root's, nothing in the clone may become root's.
is_foreign() {
    [ "$uid" = 0 ] && [ "$(stat -c %u "$home")" != 0 ]
}

owner_name() {
    stat -c %U "$home" | sed "s/^UNKNOWN$/user $(stat -c %u "$home")/"
}

# cannot_change PATH: say whose it is, or what in it is somebody else's.
cannot_change() {
    file=$(find "$1" ! -user "$uid" 2>/dev/null | head -n 1)
    file=${file:-$1}
    say "$file belongs to $(stat -c %U "$file"), and $(id -un) cannot change it" \
        "remove it with: sudo make clean"
    exit 1
}

# Run a command as the owner of the clone. Python does it because every system has it here, and it
# needs no entry in /etc/passwd. Until the command runs, what Python writes is dropped: an interrupt
# would show its lines.
as_owner() {
    ${python:-python3} -I -B -c '
import os, pwd, sys

owner = os.stat(sys.argv[1])
try:
    entry = pwd.getpwuid(owner.st_uid)
    name, group, folder = entry.pw_name, entry.pw_gid, entry.pw_dir
    os.initgroups(name, group)
except KeyError:
    name, group, folder = str(owner.st_uid), owner.st_gid, "/"
    os.setgroups([group])
os.setgid(group)
os.setuid(owner.st_uid)
for key in [key for key in os.environ if key.startswith(("XDG_", "SUDO_"))]:
    del os.environ[key]
os.environ.update(HOME=folder, USER=name, LOGNAME=name)
try:
    os.stat(sys.argv[1])
except PermissionError:
    os.write(8, f"{name} owns {sys.argv[1]} but cannot enter it\n".encode())
    os.write(8, b"as root: move it to where its owner may go, or chown it to root\n")
    sys.exit(1)
os.dup2(8, 2)
os.execvp(sys.argv[2], sys.argv[2:])
' "$home" "$@" 8>&2 2>/dev/null
}

# What Python, pytest, hypothesis, mypy, ruff and git would write into a clone that is not root's
keep_out_of_clone() {
    export PYTHONDONTWRITEBYTECODE=1 GIT_OPTIONAL_LOCKS=0
    # git refuses to read the repository of another user
    export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0="$home"
    export PYTEST_ADDOPTS="${PYTEST_ADDOPTS:-} -p no:cacheprovider"
    export HYPOTHESIS_STORAGE_DIRECTORY=~root/.cache/klogd-py/hypothesis
    export MYPY_CACHE_DIR=~root/.cache/klogd-py/mypy RUFF_CACHE_DIR=~root/.cache/klogd-py/ruff
}

# run_step KIND FAILURE COMMAND...: run without output. If it fails, show the failure, the lines
# that say why, and what to type.
run_step() {
    kind=$1 failure=$2
    shift 2
    status=0
    output=$("$@" 2>&1) || status=$?
    [ "$status" != 0 ] || return 0
    case $status in
        130 | 143) exit "$status" ;;
    esac
    file=$log
    [ "$kind" = venv ] || file=$(mktemp "${TMPDIR:-/tmp}/klogd-py-$kind.XXXXXX") || file=/dev/null
    printf '%s\n' "$output" 2>/dev/null >"$file" || file=/dev/null
    say "${0##*/}: $failure" "$(main_lines)"
    [ "$file" = /dev/null ] || say "the whole output is in ${file#"$home"/}"
    advice=$(remedy)
    [ -z "$advice" ] || say "$advice"
    exit 1
}

# What pip prints around an error, and the commands of a compiler
PIP_FRAME='subprocess-exited|metadata-generation|This error originates|exited with|Retrying'
PIP_FRAME="$PIP_FRAME|Failed building|Failed to build|end of output|did not run|-failure\$"
PIP_FRAME="$PIP_FRAME|Encountered error|hint: |DEPRECATION| -W"

# The last lines of a failed step that tell the reason
main_lines() {
    lines=$(printf '%s\n' "$output" | grep -aiE 'error|errno|fail|could not|cannot|no space|^E:' |
        grep -avE "$PIP_FRAME" | sed 's/^ *//' | awk '!seen[$0]++' | tail -n 3)
    [ -n "$lines" ] || lines=$(printf '%s\n' "$output" | grep -av '^ *$' | tail -n 3)
    printf '%s\n' "$lines" | cut -c 1-76 | sed 's/^/  /'
}

remedy() {
    case $output in
        *"No space left"* | *"Disk quota"*)
            echo "make room on the disk of $home, then type it again" ;;
        *"name resolution"* | *NewConnectionError* | *"onnection refused"* | *"imed out"* | \
            *ProxyError* | *SSLError* | *"is unreachable"* | *"resolve"* | *"resolving"* | \
            *"Could not connect"* | *"Failed to fetch"*)
            echo "look whether the network works, then type it again" ;;
        *)
            case $kind in
                venv) echo "type it again; if it fails once more, begin anew with: make clean" ;;
                apt) echo "mend that as root, then type it again" ;;
            esac
            ;;
    esac
}

# list_requirements WITHOUT PART...: what pyproject.toml requires, one on a line, but for the library
# WITHOUT. A part is build, libraries, or an extra. An older setuptools does not say that it needs
# wheel to build.
list_requirements() {
    "$python" -I -B -c '
import sys, tomllib

without, *parts = sys.argv[1:]
with open("pyproject.toml", "rb") as file:
    settings = tomllib.load(file)
build, project = settings["build-system"]["requires"], settings["project"]
if any(name.startswith("setuptools") for name in build):
    build = [*build, "wheel"]
names = {"build": build, "libraries": project.get("dependencies", [])}
names |= project.get("optional-dependencies", {})
wanted = [name for part in parts for name in names.get(part, [])]
print("\n".join(name for name in wanted if not without or not name.startswith(without)))
' "$@"
}

# Copy the sources to a new directory, without what was made in the clone.
copy_sources() {
    mkdir "$1"
    tar -C "$home" -c --exclude-vcs --exclude='./.venv*' --exclude=./dist --exclude=./build \
        --exclude='./*.egg-info' --exclude='./.*_cache' --exclude=./.hypothesis \
        --exclude=__pycache__ . | tar -x --no-same-owner -C "$1"
}

# flock(2) by flock(1) or by Python: 0 taken, 1 held by another process, else it cannot be had, as
# on some network file systems.
take_lock() {
    if command -v flock >/dev/null; then
        flock "$@" 9 2>/dev/null
    elif [ -n "${python:-}" ]; then
        "$python" -I -c '
import fcntl, signal, sys

signal.signal(signal.SIGINT, signal.SIG_DFL)
try:
    fcntl.flock(9, fcntl.LOCK_EX | (fcntl.LOCK_NB if sys.argv[1:] else 0))
except OSError as error:
    sys.exit(1 if isinstance(error, BlockingIOError) else 2)
' "$@" 2>/dev/null
    fi
}

# One set-up at a time in a clone. The clone's directory itself is locked: no file is left over, and
# none can be deleted under a process that waits. Children keep the lock, so that it outlives a
# script that was killed until its pip has ended.
lock() {
    exec 9<"${1:-$home}"
    status=0
    take_lock -n || status=$?
    if [ "$status" = 1 ]; then
        say "another set-up is at work in ${1:-this clone}: waiting for it"
        take_lock || true
    fi
}

# The comment at the top of the script that runs is its help where there is no environment yet.
show_header() {
    sed -n '/^# SPDX/d; /^#!/d; /^#/!q; s/^# \{0,1\}//; p' "$0"
}

asks_help() {
    for word; do
        case $word in
            --) return 1 ;;
            -h | --help) return 0 ;;
        esac
    done
    return 1
}

# run_module OPTIONS MODULE [ARG...]: python -m MODULE in the environment, which scripts/setup makes
# before, with OPTIONS (one word). The directory stays the caller's.
run_module() {
    options=$1
    module=$2
    shift 2
    # shellcheck disable=SC2086
    if asks_help "$@" && ! "$home/scripts/setup" --is-ready $options; then
        show_header
        printf '%s\n' "" "There is more when the environment is made: scripts/setup $options"
        exit
    fi
    # shellcheck disable=SC2086
    asks_help "$@" || "$home/scripts/setup" $options || exit
    ! is_foreign || keep_out_of_clone
    PYTHONPATH=$home exec "$venv/bin/python" -P -m "$module" "$@"
}

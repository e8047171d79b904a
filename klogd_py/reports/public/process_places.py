# SPDX-License-Identifier: GPL-2.0-or-later
"""Take the names of processes out of texts, by the places where kernels print them.

A process may have any name, also one that is a word of the kernel's messages: "node", "worker". A
name may hold blanks. So all is left out from where it begins to what a kernel prints behind it, or
else to the end of the line.

Source of truth: the ``->comm`` in mm/, kernel/ and lib/ of Linux 6.12, and older forms of the same.
"""

import re

from klogd_py.reports.public.left_out import LEFT_OUT

# Titles have NUM in the place of numbers.
_PID = r"(?:-?\d{1,20}|NUM)"
# What is already left out stays.
_NAME = r"(?!\.\.\.)"
_FORMS = (
    # "Bad page state in process node  pfn:12345", "Bad page map in process node  pte:80"
    rf"(\bBad page \w{{3,8}} in process ){_NAME}(?:.{{1,60}}?(?= {{1,2}}p[a-z]{{2}}:)|.*)",
    rf"(\bin process )(?!context\b){_NAME}(?:.{{1,60}}?(?= {{1,2}}p[a-z]{{2}}:)|.*)",
    # "Bad rss-counter state mm:x type:y val:1 Comm:node Pid:8", "inode #2: comm node: reading"
    rf"(\b[Cc]omm(?:: ?| )){_NAME}"
    r"(?:.{1,60}(?=: | [Pp][Ii][Dd]\b| (?:Not t|T)ainted| Kdump:)|.*)",
    # "INFO: task node:812 blocked for more than 120 seconds."
    r"(\bINFO: task )(?!(?:hung|can't die)(?: in |$)|\.\.\.)"
    rf"(?:.{{1,60}}?:{_PID}(?= (?:<|is |blocked |can't )|[.:]?$)|.*)",
    # "Read of size 8 at addr ffff8881054c0d40 by task node/812"; "by task 812 on cpu 1:"
    rf"(\bby task ){_NAME}(?!{_PID}(?![\w/])).*",
    # "is blocked on a mutex likely owned by task node:812.", "stack of task node/812 at offset"
    rf"(\btask ){_NAME}.{{1,60}}?[:/]{_PID}(?=[ .:,;!)]|$)",
    # "soft lockup - CPU#1 stuck for 22s! [node:812]"
    rf"(\bstuck for \w{{1,8}}! ){_NAME}.*",
    rf"(^| )\[[^\[\]\n]{{1,60}}:{_PID}\]",
    # "scheduling while atomic: node/812/0x00000002", "workqueue leaked lock or atomic: node/0x"
    rf"(\b(?:atomic|atomic, lock or RCU): ){_NAME}.*",
    # "using smp_processor_id() in preemptible [00000000] code: node/812"
    rf"(\bpreemptible .{{0,30}}?code: ){_NAME}.*",
    # "in_atomic(): 1, irqs_disabled(): 0, pid: 812, name: node"
    rf"(\bpid: {_PID}, name: ){_NAME}.*",
    # "WARNING: node/812 still has locks held!"
    rf"(\b(?:WARNING|BUG): ){_NAME}.{{1,60}}?(?= still has locks held)",
    # "2 locks held by node/812:"
    rf"(\blocks? held by ){_NAME}.*",
    # "spinlock bad magic on CPU#0, node/812"; "WARNING: fs/x.c:1 at x+0x1/0x2, CPU#1: node/812"
    rf"(\bCPU#(?:\d{{1,5}}|NUM)(?:,|:) ){_NAME}.*",
    # "kernel stack regs at ffff888100a1b2c8 in node:812 has bad 'bp' value"
    rf"( in ){_NAME}.{{1,60}}?:{_PID}(?= has bad )",
    # "process 'node' has", "Killed process 812 (node) total-vm:1kB", "Process node (pid: 812,"
    rf"(\b(?:process|program|command|task|comm) )[`'\"]{_NAME}.{{1,60}}?['\"]",
    rf"(\bprocess {_PID} ?)\(.{{1,60}}?\)(?= |,|$)",
    rf"(\bProcess ){_NAME}.{{1,60}}?(?= \(pid: )",
    # Lines that begin with the name
    rf"(^){_NAME}.{{1,60}}?(?= invoked oom-killer|: page allocation failure|"
    rf": attempted to duplicate)",
    rf"(^){_NAME}.{{1,60}}?/{_PID}(?= is (?:trying|freeing|exiting|leaving) )",
    # The name of a file: "Dentry 00000000abcdef01{i=2,n=a file}  still in use (1)"
    rf"(\bDentry ){_NAME}(?:.{{1,300}}?(?= {{1,2}}still in use)|.*)",
    r"()\[unmount of .*",
)
# One expression for all: the place that begins first is the one; in the name may be others.
_PLACE = re.compile("|".join(_FORMS), re.ASCII | re.MULTILINE)


def without_process_names(text: str) -> str:
    """Return the text with `LEFT_OUT` in the place of each name of a process."""
    return _PLACE.sub(_leave_out, text)


def _leave_out(found: re.Match[str]) -> str:
    return f"{found[found.lastindex or 0]}{LEFT_OUT}"

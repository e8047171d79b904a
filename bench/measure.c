// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs a command with its output to /dev/null, and prints what it used: measure COMMAND [ARG...]
 *
 * "CPU_SECONDS MAX_RSS_KIB STATUS": user and system time; 128 and the number of a signal.
 *
 * Linux counts the memory that a process had before its exec as its own: see setmax_mm_hiwater_rss
 * in the kernel's fs/exec.c. So a large program cannot ask for the memory of a small one that it
 * starts itself.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int status;
    struct rusage used;
    if (argc < 2)
        return 2;
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int null = open("/dev/null", O_RDWR);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        execvp(argv[1], argv + 1);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &used) < 0)
        return perror("measure"), 1;
    printf("%.6f %ld %d\n",
           used.ru_utime.tv_sec + used.ru_stime.tv_sec
               + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6,
           used.ru_maxrss, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return 0;
}

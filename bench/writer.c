// SPDX-License-Identifier: GPL-2.0-or-later
/* Writes to /dev/kmsg at a constant rate: writer RATE COUNT TAG [ESCAPED]. Prints the
 * rate that it reached.
 *
 * "<15>TAG: NUMBER NANOSECONDS pci 0000:00:1f.3: [mem 0xfed00000-0xfed003ff] reserved"
 *
 * The priority is user.debug, which no console shows; the time is CLOCK_MONOTONIC of the write. One
 * line in four has a number that looks like an address. One line in ESCAPED, if that is not 0, has a
 * byte that /dev/kmsg shows as \xNN: of UTF-8, a tab or a backslash, in turn.
 */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Records written between two looks at the clock: at 400,000 per second they take as long as the
 * shortest sleep */
enum { BATCH = 20 };

static long long now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void wait_until(long long due_ns)
{
    long long left_ns;
    while ((left_ns = due_ns - now_ns()) > 0)
        if (left_ns > 200000) {
            struct timespec pause = {0, left_ns < 900000000 ? left_ns - 100000 : 900000000};
            nanosleep(&pause, NULL);
        }
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    long escaped = argc > 4 ? atol(argv[4]) : 0;
    double rate = atof(argv[1]);
    long count = atol(argv[2]);
    long batch = rate < 20000 ? 1 : BATCH;
    const char *kinds[] = {
        "thermal zone%ld: 71 \302\260C, critical at 95 \302\260C\n",
        "usb %ld-1: Product:\tFlash Drive\tSerialNumber: 4C530001\n",
        "acpi device:0%ld: path \\_SB.PCI0.LPCB.EC0\n",
    };
    int kmsg = open("/dev/kmsg", O_WRONLY);
    if (kmsg < 0)
        return perror("/dev/kmsg"), 1;
    long long start_ns = now_ns();
    for (long i = 0; i < count; i++) {
        char line[200];
        if (i % batch == 0)
            wait_until(start_ns + (long long)(i / rate * 1e9));
        const char *text = i % 4 ? "eth%ld: link up, 1000Mbps, full-duplex, lpa 45E1\n"
                                 : "pci 0000:00:1f.%ld: [mem 0xfed00000-0xfed003ff] reserved\n";
        if (escaped && i % escaped == 1)
            text = kinds[i / escaped % 3];
        int length = snprintf(line, sizeof line, "<15>%s: %ld %lld ", argv[3], i, now_ns());
        length += snprintf(line + length, sizeof line - length, text, i % 8);
        if (write(kmsg, line, length) < 0)
            return perror("/dev/kmsg"), 1;
    }
    printf("%.0f\n", count / ((now_ns() - start_ns) / 1e9));
    return 0;
}

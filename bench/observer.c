// SPDX-License-Identifier: GPL-2.0-or-later
/* Measures when records arrive, until SIGTERM.
 *
 * observer file PATH TAG, or observer syslog SOCKET TAG
 *
 * At the end it prints, for each record with the tag that came, once if it came twice, the nanoseconds between writing and arrival.
 * A file is polled every 50 us, which is the error of the results.
 */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { MAX_RECORDS = 1 << 22 };

static long long *delays_ns;
static size_t count;
/* By number: a record that comes twice must not stand for one that is lost */
static unsigned char seen[MAX_RECORDS];
static volatile sig_atomic_t ended;

static void end(int number)
{
    (void)number;
    ended = 1;
}

static long long now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void record_arrival(const char *line, const char *tag)
{
    long number;
    long long written_ns;
    const char *found = strstr(line, tag);
    if (found && count < MAX_RECORDS
        && sscanf(found + strlen(tag), ": %ld %lld", &number, &written_ns) == 2
        && number >= 0 && number < MAX_RECORDS && !seen[number]) {
        seen[number] = 1;
        delays_ns[count++] = now_ns() - written_ns;
    }
}

static int bind_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int buffer_bytes = 1 << 20;
    int end = socket(AF_UNIX, SOCK_DGRAM, 0);
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    setsockopt(end, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes);
    return bind(end, (struct sockaddr *)&address, sizeof address) < 0 ? -1 : end;
}

int main(int argc, char **argv)
{
    static char buffer[(1 << 20) + 1];
    size_t used = 0;
    if (argc != 4)
        return 2;
    int datagrams = !strcmp(argv[1], "syslog");
    int in = datagrams ? bind_socket(argv[2]) : open(argv[2], O_RDONLY | O_CREAT, 0640);
    delays_ns = malloc(MAX_RECORDS * sizeof *delays_ns);
    if (in < 0 || !delays_ns)
        return perror(argv[2]), 1;
    struct sigaction action = {.sa_handler = end};
    sigaction(SIGTERM, &action, NULL);
    while (!ended) {
        ssize_t length = read(in, buffer + used, sizeof buffer - 1 - used);
        if (length <= 0) {
            nanosleep(&(struct timespec){0, 50000}, NULL);
            continue;
        }
        used += length;
        buffer[used] = 0;
        char *line = buffer;
        if (datagrams) {
            record_arrival(line, argv[3]);
            used = 0;
            continue;
        }
        for (char *feed; (feed = memchr(line, '\n', buffer + used - line)); line = feed + 1) {
            *feed = 0;
            record_arrival(line, argv[3]);
        }
        used = buffer + used - line;
        memmove(buffer, line, used);
    }
    for (size_t i = 0; i < count; i++)
        printf("%lld\n", delays_ns[i]);
    return 0;
}

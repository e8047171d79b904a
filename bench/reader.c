// SPDX-License-Identifier: GPL-2.0-or-later
/* The lower bound: copies records from /dev/kmsg without processing.
 *
 * reader file PATH: raw bytes to a file, all available records in one write.
 * reader syslog SOCKET: one datagram per record.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { RECORD = 8192 };

static int connect_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int end = socket(AF_UNIX, SOCK_DGRAM, 0);
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    return connect(end, (struct sockaddr *)&address, sizeof address) < 0 ? -1 : end;
}

int main(int argc, char **argv)
{
    static char buffer[1 << 17];
    size_t used = 0;
    if (argc != 3)
        return 2;
    int datagrams = !strcmp(argv[1], "syslog");
    int out = datagrams ? connect_socket(argv[2])
                        : open(argv[2], O_WRONLY | O_CREAT | O_APPEND, 0600);
    int kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
    if (out < 0 || kmsg < 0)
        return perror("reader"), 1;
    for (;;) {
        ssize_t length = read(kmsg, buffer + used, RECORD);
        if (length < 0 && errno != EAGAIN)
            continue; /* EPIPE: the ring has overrun us */
        used += length > 0 ? length : 0;
        if (used && (datagrams || length < 0 || used > sizeof buffer - RECORD)) {
            if (write(out, buffer, used) < 0)
                return perror(argv[2]), 1;
            used = 0;
        }
        if (length < 0)
            poll(&(struct pollfd){.fd = kmsg, .events = POLLIN}, 1, -1);
    }
}

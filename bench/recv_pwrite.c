/*
 * The yardstick of bench/run: one GET over plain HTTP, 64 KiB at a time from the socket to the file. No TLS, no checks,
 * no sync: what any downloader has to do at the least.
 *
 *     recv_pwrite 127.0.0.1 PORT /PATH FILE
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER_BYTES = 64 << 10 };

static char buffer[BUFFER_BYTES];

static void die(const char *what) {
    fprintf(stderr, "recv_pwrite: %s: %s\n", what, errno ? strerror(errno) : "failed");
    exit(1);
}

static void write_all(int file, const char *bytes, size_t len, off_t offset) {
    while (len > 0) {
        ssize_t n = pwrite(file, bytes, len, offset);
        if (n < 0) {
            if (errno == EINTR) continue;
            die("pwrite");
        }
        bytes += n;
        len -= (size_t)n;
        offset += n;
    }
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: recv_pwrite ADDRESS PORT /PATH FILE\n");
        return 2;
    }
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[2]))};
    if (inet_pton(AF_INET, argv[1], &address.sin_addr) != 1) die("address");
    int sock = socket(AF_INET, SOCK_STREAM, 0);
    if (sock < 0 || connect(sock, (struct sockaddr *)&address, sizeof address) < 0) die("connect");
    int file = open(argv[4], O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (file < 0) die("open");

    int len = snprintf(buffer, sizeof buffer, "GET %s HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\n\r\n", argv[3],
                       argv[1], argv[2]);
    if (len < 0 || (size_t)len >= sizeof buffer || send(sock, buffer, (size_t)len, 0) != len) die("send");

    /* The head, and what came of the body with it. */
    size_t have = 0;
    char *end = NULL;
    while (!end) {
        if (have == sizeof buffer) die("head too long");
        ssize_t n = recv(sock, buffer + have, sizeof buffer - have, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) die("recv");
        have += (size_t)n;
        end = memmem(buffer, have, "\r\n\r\n", 4);
    }
    end[2] = '\0';
    char *field = strcasestr(buffer, "\r\nContent-Length:");
    if (strncmp(buffer, "HTTP/1.1 200", 12) != 0 || !field) die("not a 200 with a length");
    off_t left = strtoll(strchr(field, ':') + 1, NULL, 10);

    char *body = end + 4;
    size_t n = have - (size_t)(body - buffer);
    off_t offset = 0;
    while (n > 0 || left > 0) {
        if ((off_t)n > left) die("more than promised");
        write_all(file, body, n, offset);
        offset += (off_t)n;
        left -= (off_t)n;
        if (left == 0) break;
        ssize_t got = recv(sock, buffer, sizeof buffer, 0);
        if (got < 0 && errno == EINTR) {
            n = 0;
            continue;
        }
        if (got <= 0) die("the body ended early");
        body = buffer;
        n = (size_t)got;
    }
    if (close(file) < 0) die("close");
    return 0;
}

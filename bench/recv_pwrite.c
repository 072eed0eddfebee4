/*
 * The yardstick of bench/run: GET over plain HTTP, 64 KiB at a time from the socket to the file. No TLS, no checks, no
 * sync: what any downloader has to do at the least.
 *
 *     recv_pwrite ADDRESS PORT /PATH FILE                    one connection
 *     recv_pwrite ADDRESS PORT /PATH FILE THREADS LENGTH     so many threads, a connection and an equal range for each
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER_BYTES = 64 << 10, THREADS_MAX = 64 };

static struct sockaddr_in address;
static const char *host, *port, *path;
static int file;

/* What one thread fetches; `length` is 0 for whatever there is. */
struct part {
    off_t first, length;
};

static void die(const char *what) {
    fprintf(stderr, "recv_pwrite: %s: %s\n", what, errno ? strerror(errno) : "failed");
    exit(1);
}

static void write_all(const char *bytes, size_t len, off_t offset) {
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

static void *fetch(void *argument) {
    struct part *part = argument;
    char *buffer = malloc(BUFFER_BYTES);
    int sock = socket(AF_INET, SOCK_STREAM, 0);
    if (!buffer || sock < 0 || connect(sock, (struct sockaddr *)&address, sizeof address) < 0) die("connect");

    char range[96] = "";
    if (part->length)
        snprintf(range, sizeof range, "Range: bytes=%lld-%lld\r\n", (long long)part->first,
                 (long long)(part->first + part->length - 1));
    int len = snprintf(buffer, BUFFER_BYTES, "GET %s HTTP/1.1\r\nHost: %s:%s\r\n%sConnection: close\r\n\r\n", path, host,
                       port, range);
    if (len < 0 || len >= BUFFER_BYTES || send(sock, buffer, (size_t)len, 0) != len) die("send");

    /* The head, and what came of the body with it. */
    size_t have = 0;
    char *end = NULL;
    while (!end) {
        if (have == BUFFER_BYTES) die("head too long");
        ssize_t n = recv(sock, buffer + have, BUFFER_BYTES - have, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) die("recv");
        have += (size_t)n;
        end = memmem(buffer, have, "\r\n\r\n", 4);
    }
    end[2] = '\0';
    char *field = strcasestr(buffer, "\r\nContent-Length:");
    if (strncmp(buffer, part->length ? "HTTP/1.1 206" : "HTTP/1.1 200", 12) != 0 || !field) die("not what was asked for");
    off_t left = strtoll(strchr(field, ':') + 1, NULL, 10);
    if (part->length && left != part->length) die("another length");

    char *body = end + 4;
    size_t n = have - (size_t)(body - buffer);
    off_t offset = part->first;
    while (n > 0 || left > 0) {
        if ((off_t)n > left) die("more than promised");
        write_all(body, n, offset);
        offset += (off_t)n;
        left -= (off_t)n;
        if (left == 0) break;
        ssize_t got = recv(sock, buffer, BUFFER_BYTES, 0);
        if (got < 0 && errno == EINTR) {
            n = 0;
            continue;
        }
        if (got <= 0) die("the body ended early");
        body = buffer;
        n = (size_t)got;
    }
    close(sock);
    free(buffer);
    return NULL;
}

int main(int argc, char **argv) {
    if (argc != 5 && argc != 7) {
        fprintf(stderr, "usage: recv_pwrite ADDRESS PORT /PATH FILE [THREADS LENGTH]\n");
        return 2;
    }
    host = argv[1], port = argv[2], path = argv[3];
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port))};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) die("address");
    file = open(argv[4], O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (file < 0) die("open");
    if (argc == 5) {
        fetch(&(struct part){0});
    } else {
        int count = atoi(argv[5]);
        off_t length = strtoll(argv[6], NULL, 10);
        if (count < 1 || count > THREADS_MAX || length < count) die("threads");
        pthread_t threads[THREADS_MAX];
        struct part parts[THREADS_MAX];
        for (int i = 0; i < count; i++) {
            off_t first = length / count * i;
            parts[i] = (struct part){first, (i + 1 < count ? length / count * (i + 1) : length) - first};
            if (pthread_create(&threads[i], NULL, fetch, &parts[i]) != 0) die("thread");
        }
        for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
    }
    if (close(file) < 0) die("close");
    return 0;
}

/*
 * The yardstick of bench/run for uploads: PUT over plain HTTP, 64 KiB at a time from the file to the socket. No TLS, no
 * checksums: what any uploader has to do at the least (sendfile aside, which cannot look at the bytes).
 *
 *     pread_send ADDRESS PORT /PATH FILE
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER_BYTES = 64 << 10 };

static void die(const char *what) {
    fprintf(stderr, "pread_send: %s: %s\n", what, errno ? strerror(errno) : "failed");
    exit(1);
}

static void send_all(int sock, const char *bytes, size_t len) {
    while (len > 0) {
        ssize_t n = send(sock, bytes, len, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EINTR) continue;
            die("send");
        }
        bytes += n;
        len -= (size_t)n;
    }
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: pread_send ADDRESS PORT /PATH FILE\n");
        return 2;
    }
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[2]))};
    struct stat facts;
    char *buffer = malloc(BUFFER_BYTES);
    int file = open(argv[4], O_RDONLY), sock = socket(AF_INET, SOCK_STREAM, 0);
    if (!buffer || file < 0 || fstat(file, &facts) < 0) die(argv[4]);
    if (inet_pton(AF_INET, argv[1], &address.sin_addr) != 1 || sock < 0 ||
        connect(sock, (struct sockaddr *)&address, sizeof address) < 0)
        die("connect");
    int len = snprintf(buffer, BUFFER_BYTES, "PUT %s HTTP/1.1\r\nHost: %s:%s\r\nContent-Length: %lld\r\nConnection: close\r\n\r\n",
                       argv[3], argv[1], argv[2], (long long)facts.st_size);
    send_all(sock, buffer, (size_t)len);
    for (off_t at = 0; at < facts.st_size;) {
        ssize_t n = pread(file, buffer, BUFFER_BYTES, at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) die("pread");
        send_all(sock, buffer, (size_t)n);
        at += n;
    }
    ssize_t n = recv(sock, buffer, BUFFER_BYTES - 1, 0);
    if (n <= 0) die("recv");
    buffer[n] = 0;
    return strncmp(buffer, "HTTP/1.1 200", 12) == 0 ? 0 : 1;
}

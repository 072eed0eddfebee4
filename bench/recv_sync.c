/* The yardstick for receiving parts: one connection after the other, each with one PUT, whose body goes to a file that
 * is synced before the answer. No digest, no name, no protocol worth the word.
 *
 *     recv_sync PORT FOLDER
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void die(const char *what) {
    perror(what);
    exit(1);
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 16)) die("listen");
    static char buffer[64 * 1024 + 1];
    for (unsigned part = 0;; part++) {
        int peer = accept(listener, NULL, NULL);
        if (peer < 0) die("accept");
        size_t have = 0;
        char *end = NULL;
        while (!end) {
            ssize_t count = read(peer, buffer + have, sizeof buffer - 1 - have);
            if (count <= 0) break;
            have += count;
            buffer[have] = 0;
            end = strstr(buffer, "\r\n\r\n");
        }
        if (!end) {
            close(peer);
            continue;
        }
        char *length = strcasestr(buffer, "\r\ncontent-length:");
        long long left = length && length < end ? atoll(length + 17) : 0;
        char path[4096];
        snprintf(path, sizeof path, "%s/part-%u", argv[2], part);
        int file = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
        if (file < 0) die("open");
        size_t early = have - (end + 4 - buffer);
        if (early && write(file, end + 4, early) != (ssize_t)early) die("write");
        left -= early;
        while (left > 0) {
            ssize_t count = read(peer, buffer, sizeof buffer - 1);
            if (count <= 0) break;
            if (write(file, buffer, count) != count) die("write");
            left -= count;
        }
        if (fdatasync(file)) die("fdatasync");
        close(file);
        const char *answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        if (write(peer, answer, strlen(answer)) < 0) die("answer");
        close(peer);
    }
}

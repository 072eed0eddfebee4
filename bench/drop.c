/*
 * The server of bench/run's uploads: as much of S3 and OSS as an upload needs, and every body is dropped in the kernel.
 * So what a sender costs is measured, and not what is done with its bytes. Nothing is checked, no digest is told; with
 * "keep" the checksums that come with parts and with Complete are told again, as by a store that had computed the same.
 *
 *     drop [keep] [any]   prints its port; serves until it is killed. An object is forgotten with DELETE /BUCKET/KEY.
 *                         With "any" it listens on all addresses, as of a namespace that has no other network.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_MAX = 32 << 10, PIECE = 1 << 20 };

static atomic_llong parts;   /* bytes of the upload in work */
static atomic_llong stored = -1; /* length of the object; -1: there is none */
static atomic_llong received;
static int keep;
static char whole[64]; /* the checksum of the object, as it came */
static pthread_mutex_t whole_lock = PTHREAD_MUTEX_INITIALIZER;

struct conn {
    int sock;
    char buffer[HEAD_MAX + 1];
    size_t have; /* bytes in the buffer that were not consumed */
};

static void die(const char *what) {
    perror(what);
    exit(1);
}

static int more(struct conn *c) {
    if (c->have == HEAD_MAX) return 0;
    ssize_t n;
    do n = recv(c->sock, c->buffer + c->have, HEAD_MAX - c->have, 0);
    while (n < 0 && errno == EINTR);
    if (n <= 0) return 0;
    c->have += (size_t)n;
    c->buffer[c->have] = 0;
    return 1;
}

static void consume(struct conn *c, size_t n) {
    memmove(c->buffer, c->buffer + n, c->have - n + 1);
    c->have -= n;
}

/* Drops `n` bytes: what is in the buffer, then the rest without copying it out of the kernel. */
static int drop(struct conn *c, long long n) {
    size_t first = (long long)c->have < n ? c->have : (size_t)n;
    consume(c, first);
    n -= (long long)first;
    while (n > 0) {
        ssize_t got = recv(c->sock, NULL, n < PIECE ? (size_t)n : PIECE, MSG_TRUNC);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return 0;
        n -= got;
    }
    return 1;
}

/* One chunk after another (RFC 9112, 7.1); the sum of their lengths, or -1. */
static long long drop_chunks(struct conn *c) {
    for (long long sum = 0;;) {
        char *end;
        while (!(end = strstr(c->buffer, "\r\n")))
            if (!more(c)) return -1;
        long long n = strtoll(c->buffer, NULL, 16);
        consume(c, (size_t)(end + 2 - c->buffer));
        if (n < 0 || !drop(c, n)) return -1;
        while (c->have < 2)
            if (!more(c)) return -1;
        consume(c, 2);
        sum += n;
        if (n == 0) return sum;
    }
}

static const char *field(const char *head, const char *name) {
    size_t len = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
            line += len + 1;
            return line + strspn(line, " ");
        }
    }
    return NULL;
}

static int answer(struct conn *c, const char *status, const char *fields, const char *body, int head_only) {
    char reply[2048], date[64], length[64] = "";
    time_t now = time(NULL);
    struct tm utc;
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &utc));
    if (!strstr(fields, "Content-Length")) snprintf(length, sizeof length, "Content-Length: %zu\r\n", strlen(body));
    int n = snprintf(reply, sizeof reply, "HTTP/1.1 %s\r\nDate: %s\r\nx-amz-request-id: 1\r\nx-oss-request-id: 1\r\n%s%s\r\n%s",
                     status, date, fields, length, head_only ? "" : body);
    return send(c->sock, reply, (size_t)n, MSG_NOSIGNAL) == n;
}

#define XML "Content-Type: application/xml\r\n"

/* "x-amz-checksum-crc64nvme: VALUE\r\n" as it came, or nothing. */
static void checksum(const char *head, char *line, size_t size) {
    const char *value = keep ? field(head, "x-amz-checksum-crc64nvme") : NULL;
    line[0] = 0;
    if (value) snprintf(line, size, "x-amz-checksum-crc64nvme: %.*s\r\n", (int)strcspn(value, "\r\n"), value);
}

static int serve_one(struct conn *c) {
    char *end;
    while (!(end = strstr(c->buffer, "\r\n\r\n")))
        if (!more(c)) return 0;
    char head[HEAD_MAX + 1];
    size_t head_len = (size_t)(end + 2 - c->buffer);
    memcpy(head, c->buffer, head_len);
    head[head_len] = 0;
    consume(c, head_len + 2);

    char method[16] = "", target[8192] = "";
    sscanf(head, "%15s %8191s", method, target);
    const char *expect = field(head, "Expect"), *length = field(head, "Content-Length");
    const char *decoded = field(head, "x-amz-decoded-content-length"), *framing = field(head, "Transfer-Encoding");
    if (expect && strncasecmp(expect, "100-continue", 12) == 0)
        send(c->sock, "HTTP/1.1 100 Continue\r\n\r\n", 25, MSG_NOSIGNAL);
    long long body = length ? atoll(length) : 0;
    if (framing && strncasecmp(framing, "chunked", 7) == 0) {
        if ((body = drop_chunks(c)) < 0) return 0;
    } else if (!drop(c, body)) {
        return 0;
    }
    if (decoded) body = atoll(decoded);

    char *query = strchr(target, '?');
    if (query) *query++ = 0;
    const char *slash = strchr(target + 1, '/');
    int upload = query && strstr(query, "uploadId=") != NULL;
    /* Under a name of its own a bucket is not in the path. */
    int object = (slash && slash[1]) || upload || (query && strstr(query, "uploads"));
    char text[512], sum[64];
    checksum(head, sum, sizeof sum);
    if (strcmp(method, "PUT") == 0 && object) {
        atomic_fetch_add(&received, body);
        if (upload) {
            atomic_fetch_add(&parts, body);
            const char *number = strstr(query, "partNumber=");
            snprintf(text, sizeof text, "ETag: \"part-%d\"\r\n%s", number ? atoi(number + 11) : 0, sum);
            return answer(c, "200 OK", text, "", 0);
        }
        atomic_store(&stored, body);
        return answer(c, "200 OK", "ETag: \"whole\"\r\n", "", 0);
    }
    if (strcmp(method, "POST") == 0 && upload) {
        atomic_store(&stored, atomic_load(&parts));
        pthread_mutex_lock(&whole_lock);
        memcpy(whole, sum, sizeof whole);
        pthread_mutex_unlock(&whole_lock);
        return answer(c, "200 OK", XML "ETag: \"all\"\r\n",
                      "<?xml version=\"1.0\"?><CompleteMultipartUploadResult><Location>http://b/k</Location><Bucket>b</Bucket>"
                      "<Key>k</Key><ETag>\"all\"</ETag></CompleteMultipartUploadResult>", 0);
    }
    if (strcmp(method, "POST") == 0 && object) {
        atomic_store(&parts, 0);
        int asked = keep && field(head, "x-amz-checksum-algorithm") != NULL;
        return answer(c, "200 OK", asked ? XML "x-amz-checksum-algorithm: CRC64NVME\r\nx-amz-checksum-type: FULL_OBJECT\r\n" : XML,
                      "<?xml version=\"1.0\"?><InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key>"
                      "<UploadId>u</UploadId></InitiateMultipartUploadResult>", 0);
    }
    if (strcmp(method, "DELETE") == 0) {
        if (!upload) atomic_store(&stored, -1);
        return answer(c, "204 No Content", "", "", 0);
    }
    if (strcmp(method, "GET") == 0 && upload)
        return answer(c, "200 OK", XML,
                      "<?xml version=\"1.0\"?><ListPartsResult><Bucket>b</Bucket><Key>k</Key><UploadId>u</UploadId>"
                      "<PartNumberMarker>0</PartNumberMarker><NextPartNumberMarker>0</NextPartNumberMarker><MaxParts>1000"
                      "</MaxParts><IsTruncated>false</IsTruncated></ListPartsResult>", 0);
    if (!object) /* whatever is asked of a bucket */
        return answer(c, "200 OK", XML,
                      "<?xml version=\"1.0\"?><ListBucketResult><Name>b</Name><KeyCount>0</KeyCount>"
                      "<IsTruncated>false</IsTruncated></ListBucketResult>", strcmp(method, "HEAD") == 0);
    long long there = atomic_load(&stored);
    if (there < 0)
        return answer(c, "404 Not Found", XML, "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code></Error>",
                      strcmp(method, "HEAD") == 0);
    pthread_mutex_lock(&whole_lock);
    snprintf(text, sizeof text,
             "ETag: \"all\"\r\nLast-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: %lld\r\n%s%s", there, whole,
             whole[0] ? "x-amz-checksum-type: FULL_OBJECT\r\n" : "");
    pthread_mutex_unlock(&whole_lock);
    return answer(c, "200 OK", text, "", 1);
}

static void *serve(void *argument) {
    struct conn *c = argument;
    while (serve_one(c)) {
    }
    close(c->sock);
    free(c);
    return NULL;
}

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "keep") == 0) keep = 1;
        if (strcmp(argv[i], "any") == 0) address.sin_addr.s_addr = htonl(INADDR_ANY);
    }
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, len) < 0 || listen(listener, 256) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &len) < 0)
        die("listen");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int sock = accept(listener, NULL, NULL);
        if (sock < 0) continue;
        setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct conn *c = calloc(1, sizeof *c);
        pthread_t thread;
        if (!c) die("calloc");
        c->sock = sock;
        if (pthread_create(&thread, NULL, serve, c) != 0) die("thread");
        pthread_detach(thread);
    }
}

/*
 * A link between two network namespaces, for kernels without netem: a rate, a delay, random loss, a bounded queue, and if
 * wanted a rate for each TCP connection.
 *
 *     link --client NS --server NS --rate BITS --delay-us N [--loss-ppm N] [--queue BYTES] [--seed N]
 *          [--flow-rate BITS] [--slow-every N --slow-rate BITS]
 *
 * It makes a TUN device `wire0` in each of the two named namespaces, prints "ready", and carries packets between them
 * until SIGTERM; then it prints what it did as one line of JSON. The devices go away with it.
 *
 * What happens to a packet, in each direction by itself:
 *
 *     device ─► lost? ─► its connection's rate ─► the link's rate ─► on its way ─► device
 *               --loss    --flow-rate              --rate, --queue    --delay-us
 *
 *  - The loss is drawn per packet from a generator with a seed, in both directions.
 *  - A rate is a wire that is busy for as long as a packet takes; what finds it busy waits. What would have to wait behind
 *    more than --queue bytes is dropped (default: what the link carries in one round trip, at least 64 KiB).
 *  - --flow-rate is such a wire for each connection, on the way to the client only, with a queue of 100 ms.
 *    With --slow-every N the second of every N connections, counted by their first SYN, has --slow-rate instead.
 *
 * Segmentation is done by the kernel before the packet comes here: TUN devices without IFF_VNET_HDR take no packet larger
 * than their MTU. The program looks every 100 µs while there is traffic: that is the precision of the delay, and what
 * lets it carry many packets per wake-up. --delay-us is one way; a round trip takes twice that.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    MTU_BYTES = 1500,
    SLOTS = 1 << 16,         /* packets under way in one direction: 96 MB, of which only what is used is ever touched */
    BATCH = 256,             /* packets taken from one device before the other has its turn */
    LOOK_NS = 100 * 1000,    /* how often we look while there is traffic */
    IDLE_NS = 2 * 1000 * 1000, /* no packet for this long: sleep until one comes */
    FLOW_QUEUE_MS = 100,
    QUEUE_MIN_BYTES = 64 << 10,
    FLOW_QUEUE_MIN_BYTES = 32 << 10,
    PORTS = 1 << 16
};

static struct {
    const char *client, *server;
    uint64_t rate, delay_ns, loss_ppm, queue, seed, flow_rate, slow_every, slow_rate;
} set;

struct flow {
    uint32_t first_seq; /* of the SYN that began it: one that is sent again is no new connection */
    uint64_t rate;
    uint64_t free_ns;
};

struct event {
    uint64_t due_ns;
    uint64_t number; /* keeps packets of one moment in order */
    uint32_t slot;
    uint16_t len;
    uint16_t at_wire; /* 1: has left its connection's wire, comes to the link's; 0: has arrived */
};

struct way {
    int from, to;
    int to_client;
    uint64_t wire_free_ns;
    struct event *heap;
    uint32_t waiting;
    uint32_t *spare; /* slots that are free */
    uint32_t spares;
    uint8_t *slots;
    uint64_t packets, bytes, payload, lost, dropped;
};

static struct flow flows[PORTS];
static uint64_t connections, numbers;
static volatile sig_atomic_t told_to_stop;

static void stop(int signal_number) {
    (void)signal_number;
    told_to_stop = 1;
}

static void die(const char *what) {
    fprintf(stderr, "link: %s: %s\n", what, errno ? strerror(errno) : "failed");
    exit(1);
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t take_ns(uint64_t bytes, uint64_t bits_per_s) { return bytes * 8u * 1000000000u / bits_per_s; }

static uint64_t draw(void) {
    static uint64_t state;
    if (!state) state = set.seed * 0x9E3779B97F4A7C15u | 1;
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (state * 0x2545F4914F6CDD1Du) >> 32;
}

/* The heap: what is due first lies at 0. */

static int before(const struct event *a, const struct event *b) {
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->number < b->number;
}

static void push(struct way *way, struct event event) {
    uint32_t at = way->waiting++;
    event.number = numbers++;
    while (at > 0) {
        uint32_t parent = (at - 1) / 2;
        if (!before(&event, &way->heap[parent])) break;
        way->heap[at] = way->heap[parent];
        at = parent;
    }
    way->heap[at] = event;
}

static struct event pop(struct way *way) {
    struct event first = way->heap[0], last = way->heap[--way->waiting];
    uint32_t at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= way->waiting) break;
        if (child + 1 < way->waiting && before(&way->heap[child + 1], &way->heap[child])) child++;
        if (!before(&way->heap[child], &last)) break;
        way->heap[at] = way->heap[child];
        at = child;
    }
    way->heap[at] = last;
    return first;
}

/* Passes a wire: when it is through, or 0 where the queue before it is full. */
static uint64_t pass(uint64_t *free_ns, uint64_t at_ns, uint16_t len, uint64_t rate, uint64_t queue_bytes) {
    uint64_t begins = *free_ns > at_ns ? *free_ns : at_ns;
    if (begins - at_ns > take_ns(queue_bytes, rate)) return 0;
    return *free_ns = begins + take_ns(len, rate);
}

/* The connection of a packet by the client's port, or NULL where it is not TCP over IPv4. */
static struct flow *flow_of(const struct way *way, const uint8_t *packet, uint16_t len, uint64_t *payload) {
    *payload = 0;
    if (len < 40 || packet[0] >> 4 != 4 || packet[9] != 6) return NULL;
    unsigned ip = (packet[0] & 15u) * 4u;
    if (len < ip + 20) return NULL;
    const uint8_t *tcp = packet + ip;
    unsigned head = ip + (tcp[12] >> 4) * 4u;
    *payload = len > head ? len - head : 0;
    unsigned port = way->to_client ? (unsigned)tcp[2] << 8 | tcp[3] : (unsigned)tcp[0] << 8 | tcp[1];
    struct flow *flow = &flows[port];
    int opens = (tcp[13] & 0x12) == 0x02; /* SYN, not ACK */
    if (opens && !way->to_client) {
        uint32_t seq = (uint32_t)tcp[4] << 24 | (uint32_t)tcp[5] << 16 | (uint32_t)tcp[6] << 8 | tcp[7];
        if (!flow->rate || flow->first_seq != seq) {
            int slow = set.slow_every && connections % set.slow_every == 1;
            connections++;
            *flow = (struct flow){.first_seq = seq, .rate = slow ? set.slow_rate : set.flow_rate ? set.flow_rate : 1};
        }
    }
    return flow;
}

static void to_wire(struct way *way, struct event event) {
    uint64_t through = pass(&way->wire_free_ns, event.due_ns, event.len, set.rate, set.queue);
    if (!through) {
        way->dropped++;
        way->spare[way->spares++] = event.slot;
        return;
    }
    push(way, (struct event){.due_ns = through + set.delay_ns, .slot = event.slot, .len = event.len});
}

static int take_one(struct way *way) {
    if (!way->spares) { /* nowhere to put it: it is dropped, as in any queue that is full */
        uint8_t nowhere[MTU_BYTES];
        if (read(way->from, nowhere, sizeof nowhere) <= 0) return 0;
        way->dropped++;
        return 1;
    }
    uint32_t slot = way->spare[way->spares - 1];
    uint8_t *packet = way->slots + (size_t)slot * MTU_BYTES;
    ssize_t got = read(way->from, packet, MTU_BYTES);
    if (got <= 0) return 0;
    uint16_t len = (uint16_t)got;
    uint64_t payload;
    struct flow *flow = flow_of(way, packet, len, &payload);
    if (set.loss_ppm && draw() % 1000000u < set.loss_ppm) {
        way->lost++;
        return 1;
    }
    way->spares--;
    struct event event = {.due_ns = now_ns(), .slot = slot, .len = len, .at_wire = 1};
    if (set.flow_rate && way->to_client && flow && flow->rate > 1) {
        uint64_t queue = flow->rate / 8 * FLOW_QUEUE_MS / 1000;
        if (queue < FLOW_QUEUE_MIN_BYTES) queue = FLOW_QUEUE_MIN_BYTES;
        event.due_ns = pass(&flow->free_ns, event.due_ns, len, flow->rate, queue);
        if (!event.due_ns) {
            way->dropped++;
            way->spares++;
        } else {
            push(way, event);
        }
    } else {
        to_wire(way, event);
    }
    return 1;
}

static void give_what_is_due(struct way *way, uint64_t now) {
    while (way->waiting && way->heap[0].due_ns <= now) {
        struct event event = pop(way);
        if (event.at_wire) {
            to_wire(way, event);
            continue;
        }
        uint8_t *packet = way->slots + (size_t)event.slot * MTU_BYTES;
        uint64_t payload;
        flow_of(way, packet, event.len, &payload);
        if (write(way->to, packet, event.len) == event.len) {
            way->packets++;
            way->bytes += event.len;
            way->payload += payload;
        } else {
            way->dropped++; /* the device is down, or its queue is full */
        }
        way->spare[way->spares++] = event.slot;
    }
}

static void look(struct way ways[2]) {
    uint64_t last_packet = now_ns();
    while (!told_to_stop) {
        int taken = 0;
        for (int i = 0; i < 2; i++) {
            int one_way = 0;
            while (one_way < BATCH && take_one(&ways[i])) one_way++;
            taken += one_way;
        }
        uint64_t now = now_ns();
        if (taken) last_packet = now;
        for (int i = 0; i < 2; i++) give_what_is_due(&ways[i], now);
        if (taken >= BATCH) continue; /* there may be more */
        uint64_t due = UINT64_MAX;
        for (int i = 0; i < 2; i++)
            if (ways[i].waiting && ways[i].heap[0].due_ns < due) due = ways[i].heap[0].due_ns;
        if (now - last_packet < IDLE_NS) {
            nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
            continue;
        }
        struct pollfd both[2] = {{.fd = ways[0].from, .events = POLLIN}, {.fd = ways[1].from, .events = POLLIN}};
        struct timespec wait = {.tv_sec = 1};
        if (due != UINT64_MAX) {
            uint64_t left = due > now ? due - now : 0;
            if (left < 1000000000u) wait = (struct timespec){.tv_nsec = (long)left};
        }
        if (ppoll(both, 2, &wait, NULL) < 0 && errno != EINTR) die("ppoll");
    }
}

static int device_in(const char *namespace) {
    char path[256];
    snprintf(path, sizeof path, "/run/netns/%s", namespace);
    int ns = open(path, O_RDONLY | O_CLOEXEC);
    if (ns < 0 || setns(ns, CLONE_NEWNET) < 0) die(path);
    close(ns);
    int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (device < 0) die("/dev/net/tun");
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    strcpy(request.ifr_name, "wire0");
    if (ioctl(device, TUNSETIFF, &request) < 0) die("TUNSETIFF");
    return device;
}

static void prepare(struct way *way, int from, int to, int to_client) {
    *way = (struct way){.from = from, .to = to, .to_client = to_client, .spares = SLOTS};
    way->heap = calloc(SLOTS, sizeof *way->heap);
    way->spare = calloc(SLOTS, sizeof *way->spare);
    way->slots = calloc(SLOTS, MTU_BYTES);
    if (!way->heap || !way->spare || !way->slots) die("memory");
    for (uint32_t i = 0; i < SLOTS; i++) way->spare[i] = SLOTS - 1 - i;
}

static uint64_t number(const char *text) {
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (errno || end == text || *end) die(text);
    return value;
}

static void arguments(int argc, char **argv) {
    static const struct option options[] = {
        {"client", 1, 0, 'c'},    {"server", 1, 0, 's'}, {"rate", 1, 0, 'r'},      {"delay-us", 1, 0, 'd'},
        {"loss-ppm", 1, 0, 'l'},  {"queue", 1, 0, 'q'},  {"seed", 1, 0, 'e'},      {"flow-rate", 1, 0, 'f'},
        {"slow-every", 1, 0, 'n'}, {"slow-rate", 1, 0, 'o'}, {0, 0, 0, 0}};
    int option;
    set.seed = 1;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) switch (option) {
        case 'c': set.client = optarg; break;
        case 's': set.server = optarg; break;
        case 'r': set.rate = number(optarg); break;
        case 'd': set.delay_ns = number(optarg) * 1000u; break;
        case 'l': set.loss_ppm = number(optarg); break;
        case 'q': set.queue = number(optarg); break;
        case 'e': set.seed = number(optarg); break;
        case 'f': set.flow_rate = number(optarg); break;
        case 'n': set.slow_every = number(optarg); break;
        case 'o': set.slow_rate = number(optarg); break;
        default: exit(2);
        }
    errno = 0;
    if (optind != argc || !set.client || !set.server || !set.rate) die("arguments");
    if (set.slow_every && (!set.slow_rate || !set.flow_rate)) die("--slow-every needs --slow-rate and --flow-rate");
    if (!set.queue) {
        set.queue = set.rate / 8 * (2 * set.delay_ns / 1000u) / 1000000u;
        if (set.queue < QUEUE_MIN_BYTES) set.queue = QUEUE_MIN_BYTES;
    }
}

static void tell(const char *name, const struct way *way) {
    printf("\"%s\": {\"packets\": %llu, \"bytes\": %llu, \"payload\": %llu, \"lost\": %llu, \"dropped\": %llu}, ", name,
           (unsigned long long)way->packets, (unsigned long long)way->bytes, (unsigned long long)way->payload,
           (unsigned long long)way->lost, (unsigned long long)way->dropped);
}

int main(int argc, char **argv) {
    arguments(argc, argv);
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* nobody left who would end us */
    prctl(PR_SET_TIMERSLACK, 1);
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);

    int client = device_in(set.client), server = device_in(set.server);
    static struct way ways[2];
    prepare(&ways[0], server, client, 1);
    prepare(&ways[1], client, server, 0);
    printf("ready\n");
    fflush(stdout);
    look(ways);

    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    printf("{");
    tell("to_client", &ways[0]);
    tell("to_server", &ways[1]);
    printf("\"connections\": %llu, \"cpu_s\": %.3f}\n", (unsigned long long)connections,
           (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
               (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
    return 0;
}

/* The least that an association can cost on this machine: the frames of ECP and VDP over AF_PACKET, and nothing else.
 *
 *   floor bridge INTERFACE RTE COUNTS    an EVB bridge: announces itself each second and to each LLDPDU, and grants and releases at once
 *                                        what it is asked
 *   floor station INTERFACE SOCKET       a station without state: for a line with a number on the socket it associates that many new
 *                                        VSIs, and for `-` and a number it releases them; it answers with a line when all are granted
 *   floor version                        prints a line and ends
 *
 * COUNTS is a file of three 64-bit numbers that the bridge keeps mapped: frames heard, associations and releases whose answer the
 * station has acknowledged. Frames as IEEE Std 802.1Q-2022, clauses 41.2 (VDP), 43.3 (ECP) and D.2.12 (EVB TLV) have them.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { LLDP = 0x88CC, ECP = 0x8940, REQUEST = 0x1001, ACKNOWLEDGE = 0x1401 };
enum { ASSOCIATE = 3, DEASSOCIATE = 4, MANAGER = 5, ACKED = 0x40 };
enum { HEAD = 18 /* Ethernet and ECP */, VSI_OCTETS = 35, PER_FRAME = 42, FRAME = 1514, WAITING = 1024 };

static const uint8_t group[6] = {0x01, 0x80, 0xC2, 0, 0, 0};
static uint8_t own[6];
static int wire;

static void fail(const char *what) {
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now(void) { /* in microseconds */
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000LL + time.tv_nsec / 1000;
}

static void put16(uint8_t *at, unsigned value) {
    at[0] = value >> 8;
    at[1] = value;
}

static unsigned get16(const uint8_t *at) { return at[0] << 8 | at[1]; }

static int open_socket(const char *interface, unsigned ethertype) {
    struct ifreq request = {0};
    struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ethertype)};
    int on = 1, room = 16 << 20, opened = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);
    if (opened < 0) fail("socket");
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", interface);
    if (ioctl(opened, SIOCGIFHWADDR, &request)) fail(interface);
    memcpy(own, request.ifr_hwaddr.sa_data, 6);
    address.sll_ifindex = if_nametoindex(interface);
    if (setsockopt(opened, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on)) fail("PACKET_IGNORE_OUTGOING");
    if (setsockopt(opened, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room)) fail("SO_RCVBUFFORCE");
    if (bind(opened, (struct sockaddr *)&address, sizeof address)) fail("bind");
    return opened;
}

static void send_frame(uint8_t *frame, unsigned length, unsigned ethertype) {
    memcpy(frame, group, 6);
    memcpy(frame + 6, own, 6);
    put16(frame + 12, ethertype);
    if (length < 60) {
        memset(frame + length, 0, 60 - length);
        length = 60;
    }
    if (send(wire, frame, length, 0) < 0 && errno != ENOBUFS && errno != EAGAIN) fail("send");
}

static void acknowledge(unsigned sequence) {
    uint8_t frame[60] = {0};
    put16(frame + 14, ACKNOWLEDGE);
    put16(frame + 16, sequence);
    send_frame(frame, HEAD, ECP);
}

/* The bridge */

static struct { uint8_t octets[FRAME]; unsigned length, sequence, associations, releases; } waiting[WAITING];
static unsigned first, behind; /* the answer that is on its way, and the one behind the last */
static int64_t sent_at;

static void announce(unsigned rte) {
    uint8_t frame[64] = {0}, *at = frame + 14;
    const uint8_t evb[] = {0xFE, 9, 0, 0x80, 0xC2, 0x0D, 7, 3, 3 << 5 | rte, 1 << 6 | 20, 20};
    put16(at, 1 << 9 | 7), at[2] = 4, memcpy(at + 3, own, 6), at += 9;
    put16(at, 2 << 9 | 7), at[2] = 3, memcpy(at + 3, own, 6), at += 9;
    put16(at, 3 << 9 | 2), put16(at + 2, 20), at += 4;
    memcpy(at, evb, sizeof evb), at += sizeof evb + 2;
    send_frame(frame, at - frame, LLDP);
}

static void send_answer(void) {
    if (first == behind) return;
    send_frame(waiting[first % WAITING].octets, waiting[first % WAITING].length, ECP);
    sent_at = now();
}

/* Makes the answer to a request: the request, each of its VSIs granted. */
static void answer(const uint8_t *frame, unsigned length, unsigned sequence) {
    unsigned at = HEAD, slot = behind % WAITING;
    if (length > FRAME) return;
    memcpy(waiting[slot].octets, frame, length);
    waiting[slot].associations = waiting[slot].releases = 0;
    while (at + 2 <= length) {
        unsigned kind = frame[at] >> 1, size = get16(frame + at) & 511;
        if (kind == 0 || at + 2 + size > length) break;
        if (kind < MANAGER && size && !(frame[at + 2] & ACKED)) {
            waiting[slot].octets[at + 2] = ACKED;
            waiting[slot].associations += kind == ASSOCIATE;
            waiting[slot].releases += kind == DEASSOCIATE;
        }
        at += 2 + size;
    }
    waiting[slot].length = at;
    waiting[slot].sequence = sequence;
    put16(waiting[slot].octets + 14, REQUEST);
    put16(waiting[slot].octets + 16, sequence);
    behind++;
    if (behind - first == 1) send_answer();
}

/* A station that has just come up is answered, as a switch answers a new neighbour: else what is measured would be the second. */
static void bridge(unsigned rte, volatile uint64_t *counts, int neighbour) {
    uint8_t frame[65536];
    unsigned sequence = 0x4000, heard = ~0u;
    int64_t announced = 0;
    for (;;) {
        struct pollfd ready[] = {{.fd = wire, .events = POLLIN}, {.fd = neighbour, .events = POLLIN}};
        int length;
        if (now() - announced >= 1000000) announce(rte), announced = now();
        /* A frame was lost. It is sent again after a tenth of a second, as no cable of the lab is so slow. */
        if (first != behind && now() - sent_at > 100000) send_answer();
        if (poll(ready, 2, first == behind ? 200 : 100) <= 0) continue;
        if (ready[1].revents) {
            while (recv(neighbour, frame, sizeof frame, 0) > 0);
            if (now() - announced >= 10000) announce(rte), announced = now();
        }
        while ((length = recv(wire, frame, sizeof frame, 0)) > 0) {
            unsigned head = length < HEAD ? 0 : get16(frame + 14), number = get16(frame + 16);
            if (head == ACKNOWLEDGE && first != behind && number == waiting[first % WAITING].sequence) {
                counts[1] += waiting[first % WAITING].associations;
                counts[2] += waiting[first % WAITING].releases;
                first++;
                send_answer();
            } else if (head == REQUEST && behind - first < WAITING) {
                counts[0]++;
                acknowledge(number);
                if (number != heard) answer(frame, length, ++sequence & 0xFFFF);
                heard = number;
            }
        }
    }
}

/* The station */

static unsigned request(uint8_t *frame, uint64_t from, unsigned count, int command) {
    uint8_t *at = frame + HEAD;
    put16(at, MANAGER << 9 | 16), memset(at + 2, 0, 16), at += 18;
    for (uint64_t number = from; number < from + count; number++) {
        memset(at, 0, VSI_OCTETS);
        put16(at, command << 9 | (VSI_OCTETS - 2));
        at[5] = 1;                                     /* type 1, version 0 */
        at[7] = 5;                                     /* the VSIID is a UUID */
        memcpy(at + 8, &number, sizeof number);
        at[24] = 2, put16(at + 25, 1);                 /* filter: one MAC address and VLAN */
        at[27] = 0x52, at[28] = 0x54, memcpy(at + 29, &number, 4);
        at += VSI_OCTETS;
    }
    return at - frame;
}

/* Asks for `count` VSIs from `from` on, and returns when all are answered and the answers acknowledged. */
static void exchange(uint64_t from, uint64_t count, int command) {
    static unsigned sequence, heard = ~0u;
    uint8_t asked[FRAME + VSI_OCTETS], frame[65536];
    uint64_t sent = 0, answered = 0;
    int may_send = 1;
    while (answered < count) {
        struct pollfd ready = {.fd = wire, .events = POLLIN};
        int length;
        if (may_send && sent < count) {
            unsigned now_of = count - sent < PER_FRAME ? count - sent : PER_FRAME;
            unsigned size = request(asked, from + sent, now_of, command);
            put16(asked + 14, REQUEST), put16(asked + 16, ++sequence & 0xFFFF);
            send_frame(asked, size, ECP);
            sent += now_of, may_send = 0;
        }
        if (poll(&ready, 1, 5000) <= 0) fail("no answer within 5 s");
        while ((length = recv(wire, frame, sizeof frame, 0)) > 0) {
            unsigned head = length < HEAD ? 0 : get16(frame + 14), number = get16(frame + 16);
            if (head == ACKNOWLEDGE && number == (sequence & 0xFFFF)) {
                may_send = 1;
            } else if (head == REQUEST) {
                acknowledge(number);
                if (number != heard) answered += (length - HEAD - 18) / VSI_OCTETS;
                heard = number;
            }
        }
    }
}

static void station(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    static uint64_t last = 1;
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4)) fail(path);
    for (;;) {
        int client = accept(listener, NULL, NULL);
        char line[32];
        ssize_t length;
        while ((length = read(client, line, sizeof line - 1)) > 0) {
            line[length] = 0;
            long count = strtol(line, NULL, 10);
            if (count < 0) {
                exchange(last + count, -count, DEASSOCIATE);
            } else {
                exchange(last, count, ASSOCIATE);
                last += count;
            }
            if (write(client, "\n", 1) != 1) break;
        }
        close(client);
    }
}

int main(int count, char **words) {
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    if (count == 5 && !strcmp(words[1], "bridge")) {
        int file = open(words[4], O_RDWR | O_CREAT, 0600);
        void *counts;
        if (file < 0 || ftruncate(file, 24)) fail(words[4]);
        counts = mmap(NULL, 24, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (counts == MAP_FAILED) fail(words[4]);
        wire = open_socket(words[2], ECP);
        bridge(atoi(words[3]), counts, open_socket(words[2], LLDP));
    } else if (count == 4 && !strcmp(words[1], "station")) {
        wire = open_socket(words[2], ECP);
        station(words[3]);
    } else if (count == 2 && !strcmp(words[1], "version")) {
        puts("floor 1");
        return 0;
    }
    fprintf(stderr, "usage: floor bridge INTERFACE RTE COUNTS | station INTERFACE SOCKET | version\n");
    return 64;
}

/* Many WebSocket clients in one process: connects, subscribes, counts messages and their delays, acknowledges.
 *
 * usage: fanout_client PORT PATH CLIENTS SUBSCRIBE
 * SUBSCRIBE is sent by each client once connected ("" for none). Prints "ready" when all are connected and, if they
 * subscribed, have got their first message. Then each line on stdin makes it print, and forget, what it has counted:
 *     messages last_ns count p50_us p99_us max_us
 * A message's delay is counted from the nanoseconds (CLOCK_MONOTONIC) in its field "trades".
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 1 << 17, ACK_EVERY = 64, MOST_DELAYS = 1 << 22 };
static const int64_t ACK_NS = 900000000LL;

struct client {
    int fd;
    unsigned char *data;
    size_t size;
    long received, acknowledged;
    int64_t acknowledged_at;
};

static int32_t *delays;
static size_t delay_count;
static long messages;
static int64_t last_ns;

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void send_all(int fd, const void *data, size_t size) {
    const char *at = data;
    while (size) {
        ssize_t n = send(fd, at, size, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EAGAIN || errno == EINTR) continue;
            fail("send");
        }
        at += n;
        size -= n;
    }
}

/* A masked text frame (mask 0, which leaves the payload as it is), shorter than 64 KiB. */
static void send_text(int fd, const char *text) {
    unsigned char frame[1024];
    size_t size = strlen(text), at = 0;
    frame[at++] = 0x81;
    if (size < 126) {
        frame[at++] = 0x80 | size;
    } else {
        frame[at++] = 0x80 | 126;
        frame[at++] = size >> 8;
        frame[at++] = size & 255;
    }
    memset(frame + at, 0, 4);
    memcpy(frame + at + 4, text, size);
    send_all(fd, frame, at + 4 + size);
}

static void count(struct client *c, const unsigned char *payload, size_t size) {
    static const char field[] = "\"trades\":";
    c->received++;
    const char *found = memmem(payload, size, field, sizeof field - 1);
    if (!found || !memmem(payload, size, "\"state\":\"closed\"", 16) || found[9] == 'n') return;
    int64_t now = now_ns();
    messages++;
    last_ns = now;
    if (delay_count < MOST_DELAYS) delays[delay_count++] = (now - strtoll(found + 9, NULL, 10)) / 1000;
}

/* Take whole frames from the buffer; returns 0 when the server closed. */
static int take_frames(struct client *c) {
    size_t at = 0;
    while (c->size - at >= 2) {
        const unsigned char *p = c->data + at;
        size_t header = 2, size = p[1] & 127;
        if (size == 126) header = 4;
        if (size == 127) header = 10;
        if (c->size - at < header) break;
        if (size == 126) size = (size_t)p[2] << 8 | p[3];
        else if (size == 127) {
            size = 0;
            for (int i = 2; i < 10; i++) size = size << 8 | p[i];
        }
        if (c->size - at < header + size) break;
        if ((p[0] & 15) == 8) return 0;
        if ((p[0] & 15) == 1) count(c, p + header, size);
        at += header + size;
    }
    memmove(c->data, c->data + at, c->size - at);
    c->size -= at;
    return 1;
}

static void acknowledge(struct client *c, int64_t now) {
    long due = c->received - c->acknowledged;
    if (due >= ACK_EVERY || (due && now - c->acknowledged_at > ACK_NS)) {
        char text[64];
        snprintf(text, sizeof text, "{\"type\":\"ack\",\"n\":%ld}", c->received);
        send_text(c->fd, text);
        c->acknowledged = c->received;
        c->acknowledged_at = now;
    }
}

static void open_client(struct client *c, int port, const char *path, const char *subscribe) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    char request[512];
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    c->data = malloc(BUFFER);
    if (c->fd < 0 || !c->data || connect(c->fd, (struct sockaddr *)&address, sizeof address)) fail("connect");
    int one = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    snprintf(request, sizeof request,
             "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nOrigin: http://127.0.0.1:%d\r\nUpgrade: websocket\r\n"
             "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
             path, port, port);
    send_all(c->fd, request, strlen(request));
    for (;;) {
        ssize_t n = recv(c->fd, c->data + c->size, BUFFER - c->size, 0);
        if (n <= 0) fail("handshake");
        c->size += n;
        unsigned char *end = memmem(c->data, c->size, "\r\n\r\n", 4);
        if (!end) continue;
        if (!memmem(c->data, c->size, " 101 ", 5)) fail("handshake refused");
        c->size -= end + 4 - c->data;
        memmove(c->data, end + 4, c->size);
        break;
    }
    if (*subscribe) send_text(c->fd, subscribe);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
}

static int by_value(const void *a, const void *b) {
    return *(const int32_t *)a < *(const int32_t *)b ? -1 : *(const int32_t *)a > *(const int32_t *)b;
}

static void report(void) {
    qsort(delays, delay_count, sizeof *delays, by_value);
    size_t n = delay_count;
    printf("%ld %lld %zu %d %d %d\n", messages, (long long)last_ns, n, n ? delays[n / 2] : 0,
           n ? delays[n - 1 - n / 100] : 0, n ? delays[n - 1] : 0);
    fflush(stdout);
    messages = 0;
    delay_count = 0;
}

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    int total = atoi(argv[3]), wanting = *argv[4] ? total : 0, poll_fd = epoll_create1(0);
    struct client *clients = calloc(total, sizeof *clients);
    delays = malloc(MOST_DELAYS * sizeof *delays);
    for (int i = 0; i < total; i++) {
        open_client(&clients[i], atoi(argv[1]), argv[2], argv[4]);
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, clients[i].fd, &event);
    }
    struct epoll_event input = {.events = EPOLLIN, .data.u32 = UINT32_MAX}, events[256];
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, 0, &input);
    int is_ready = 0;
    int64_t swept = now_ns();
    for (;;) {
        if (!is_ready && !wanting) {
            is_ready = 1;
            printf("ready\n");
            fflush(stdout);
        }
        int n = epoll_wait(poll_fd, events, 256, 100);
        int64_t now = now_ns();
        for (int i = 0; i < n; i++) {
            if (events[i].data.u32 == UINT32_MAX) {
                char line[64];
                if (read(0, line, sizeof line) <= 0) return 0;
                report();
                continue;
            }
            struct client *c = &clients[events[i].data.u32];
            long before = c->received;
            ssize_t got = recv(c->fd, c->data + c->size, BUFFER - c->size, 0);
            if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
            if (got > 0) c->size += got;
            if (got <= 0 || !take_frames(c)) {
                fprintf(stderr, "the server closed a connection\n");
                return 1;
            }
            if (!before && c->received && wanting) wanting--;
            acknowledge(c, now);
        }
        if (now - swept > 100000000LL) {
            swept = now;
            for (int i = 0; i < total; i++) acknowledge(&clients[i], now);
        }
    }
}

/* SPDX-License-Identifier: MIT */
/* libFuzzer target: whatever a datagram of sock_diag holds, the library reads it within its bounds,
 * and visits only sockets of the port that it asked for. */
#include "core/diag.c" /* NOLINT(bugprone-suspicious-include): its static functions */

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

struct seen {
    uint16_t port;
    size_t count;
};

static void must(bool condition) {
    if (!condition) abort();
}

static void see(void *context, const struct rp_net_socket *socket) {
    struct seen *seen = context;
    must(socket->local.port == seen->port && socket->state <= UINT8_MAX);
    seen->count++;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    static const uint16_t ports[] = {80, 0, 443};
    void *copy = malloc(size); /* as large as the datagram, so that a byte more is noticed */
    size_t all = 0;
    if (!copy) return 0;
    memcpy(copy, data, size);
    for (size_t i = 0; i < sizeof(ports) / sizeof(*ports); i++) {
        struct seen seen = {ports[i], 0}, again = {ports[i], 0};
        const enum progress first = read_messages(copy, size, ports[i], see, &seen);
        must(read_messages(copy, size, ports[i], see, &again) == first);
        must(seen.count == again.count);
        all += seen.count;
    }
    must(all * sizeof(struct reply) <= size);
    free(copy);
    return 0;
}

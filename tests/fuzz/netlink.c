/* SPDX-License-Identifier: MIT */
/* libFuzzer target: whatever a datagram of sock_diag holds, it is read within its bounds, and only
 * sockets of the wanted port come of it. */
#include "inspect/sockets.c" /* NOLINT(bugprone-suspicious-include): its static functions */

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void must(bool condition) {
    if (!condition) abort();
}

static void check_socket(const struct rp_sockets *sockets, size_t index, uint16_t port) {
    const struct rp_socket *socket = &sockets->list[index];
    char text[RP_SOCKET_TEXT];
    must(socket->local.port && (!port || socket->local.port == port));
    must(socket->position == index && !socket->owners);
    must(socket->state == RP_LISTEN ? socket->queue >= 0 && !socket->unread : socket->queue == -1);
    must(!socket->ipv6_only || socket->ipv6);
    must(strlen(rp_socket_text(socket, text)) < sizeof(text) - 1);
}

/* Twice the same, as nothing else is read. Returns how many sockets. */
static size_t read_all(const void *copy, size_t size, enum rp_proto proto, uint16_t port) {
    struct rp_sockets sockets = {NULL, 0, 0};
    const enum progress first = read_messages(copy, size, proto, port, &sockets);
    const size_t count = sockets.count;
    must(count * NLMSG_LENGTH(sizeof(struct inet_diag_msg)) <= size);
    for (size_t i = 0; i < count; i++) check_socket(&sockets, i, port);
    must(read_messages(copy, size, proto, port, &sockets) == first && sockets.count == 2 * count);
    rp_sockets_index(&sockets);
    rp_sockets_sort(&sockets);
    rp_sockets_infer(&sockets);
    rp_sockets_free(&sockets);
    return count;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    void *copy = malloc(size); /* as large as the datagram, so that a byte more is noticed */
    if (!copy) return 0;
    memcpy(copy, data, size);
    const size_t all = read_all(copy, size, RP_TCP, 0);
    must(read_all(copy, size, RP_UDP, 0) == all);
    must(read_all(copy, size, RP_TCP, 80) <= all);
    free(copy);
    return 0;
}

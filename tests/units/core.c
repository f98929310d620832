/* SPDX-License-Identifier: MIT */
/* core/: what it reads from text, and how much of it it keeps. Prints what is not as it should be,
 * and how many checks were made. */
#include "check.h"
#include "core/apply.h"
#include "core/config.h"
#include "core/lines.h"
#include "core/message.h"
#include "core/procnet.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* So many characters. */
static const char *many(char c, size_t count) {
    static char text[2048];
    memset(text, c, count);
    text[count] = '\0';
    return text;
}

/* Behind a buffer, to be untouched. */
static const char guard[8] = "guarded";

static void check_config(void) {
    struct {
        struct rp_config_error error;
        char behind[sizeof(guard)];
    } of;
    struct rp_config config;
    static const size_t lengths[] = {RP_ENTRY_SIZE - 2, RP_ENTRY_SIZE - 1, RP_ENTRY_SIZE, 200};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        const size_t kept = i ? RP_ENTRY_SIZE - 1 : lengths[0];
        memcpy(of.behind, guard, sizeof(guard));
        setenv("REUSEPORT_AT", many('b', lengths[i]), 1);
        check(!rp_config_read(&config, "80", &of.error), "a wrong setting");
        check(!strcmp(of.error.value, many('b', kept)), "its value is kept up to a length");
        check(!memcmp(of.behind, guard, sizeof(guard)), "and nothing is written behind it");
        check(!strcmp(of.error.name, "REUSEPORT_AT") && !config.ports.count, "which it is");
    }
    unsetenv("REUSEPORT_AT");
    check(rp_config_read(&config, NULL, &of.error) && !config.ports.count, "no list");
    check(rp_config_read(&config, "", &of.error) && !config.ports.count, "an empty list");
}

/* The list is wrong for that reason; of the entry so many characters are kept. */
static void check_wrong(const char *text, size_t kept, const char *why) {
    struct {
        char entry[RP_ENTRY_SIZE], behind[sizeof(guard)];
    } bad;
    struct rp_ports list;
    memcpy(bad.behind, guard, sizeof(guard));
    const char *wrong = rp_ports_parse(&list, text, bad.entry);
    check(wrong && !strcmp(wrong, why), why);
    check(strlen(bad.entry) == kept && !memcmp(bad.entry, text, kept), "the entry that is wrong");
    check(!memcmp(bad.behind, guard, sizeof(guard)), "nothing is written behind the entry");
    check(!list.count && !list.all_tcp, "an empty list after an error");
}

static void check_ports(void) {
    char three[128];
    check_wrong(many('7', RP_ENTRY_SIZE - 1), RP_ENTRY_SIZE - 1, "not a port from 1 to 65535");
    check_wrong(many('7', RP_ENTRY_SIZE), RP_ENTRY_SIZE - 1, "not a port, far too long");
    check_wrong(many('7', 500), RP_ENTRY_SIZE - 1, "not a port, far too long");
    check_wrong("/tcp", 4, "not a port");
    check_wrong("!", 1, "not a port");
    check_wrong("!/udp", 5, "not a port");
    check_wrong("[", 1, "no ] after the address");
    check_wrong("[::1]", 5, "no :PORT after the address");
    check_wrong("", 0, "empty entry");
    check_wrong("1-", 2, "not a port");
    check_wrong("-1", 2, "not a port");
    snprintf(three, sizeof(three), "all,[::1]:80,%.20s", many('x', 20));
    struct rp_ports list;
    char bad[RP_ENTRY_SIZE];
    check(rp_ports_parse(&list, three, bad) && !strcmp(bad, many('x', 20)), "the third is wrong");
    check(!rp_ports_parse(&list, "all/udp,all", bad) && list.count == 2 && list.all_tcp, "two");
}

static void check_messages(void) {
    struct {
        struct rp_message message;
        char behind[sizeof(guard)];
    } of = {.message = RP_MESSAGE, .behind = "guarded"};
    struct rp_message message = {0};
    struct rp_endpoint where = {.port = 0};
    rp_say(&of.message, many('m', 500));
    check(of.message.length == sizeof(message.text) - 1, "a message leaves room for a newline");
    check(!memcmp(of.behind, guard, sizeof(guard)), "and is not written beyond");
    rp_say_escaped(&message, "\x1f ~\x7f\xc3");
    check(!strcmp(message.text, "\\x1f ~\\x7f\\xc3"), "what is printable");
    message = (struct rp_message){0};
    rp_say_escaped(&message, many('e', 48));
    check(!strcmp(message.text, many('e', 48)), "all of 48 characters");
    rp_say_escaped(&message, many('e', 49));
    check(message.length == 48 + 51 && !strcmp(message.text + 96, "..."), "the first 48 of 49");
    message = (struct rp_message){0};
    rp_say_number(&message, 0);
    rp_say_number(&message, 9);
    rp_say_number(&message, 10);
    rp_say_number(&message, UINT32_MAX);
    check(!strcmp(message.text, "09104294967295"), "numbers");
    message = (struct rp_message){0};
    /* The zeros of the port are not the address's. */
    check(inet_pton(AF_INET6, "1:0:0:2:3:4:0:0", &where.address) == 1, "no address");
    rp_say_endpoint(&message, &where, 0);
    check(!strcmp(message.text, "[1::2:3:4:0:0]:0"), "an endpoint of port 0");
}

/* Opens such a file. */
static int open_text(struct rp_lines *lines, const char *text) {
    char path[64];
    const int fd = memfd_create("lines", MFD_CLOEXEC);
    if (write(fd, text, strlen(text)) < 0) exit(2);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    check(rp_lines_open(lines, path), "a file");
    return fd;
}

static bool next_is(struct rp_lines *lines, const char *text) {
    const char *line = rp_lines_next(lines);
    return line && text ? !strcmp(line, text) : line == text;
}

static void check_lines(void) {
    struct rp_lines lines;
    char text[3000];
    int fd = open_text(&lines, "one\n\nthree\nfour");
    check(next_is(&lines, "one") && next_is(&lines, "") && next_is(&lines, "three"), "lines");
    check(next_is(&lines, NULL), "one that does not end is none");
    check(next_is(&lines, NULL), "nor is it the next time");
    rp_lines_close(&lines);
    close(fd);
    snprintf(text, sizeof(text), "first\n%s\n", many('l', sizeof(lines.buffer) - 1));
    fd = open_text(&lines, text);
    check(next_is(&lines, "first") && next_is(&lines, many('l', sizeof(lines.buffer) - 1)),
          "one that fills the buffer");
    rp_lines_close(&lines);
    close(fd);
    snprintf(text, sizeof(text), "first\n%s\nlast\n", many('l', sizeof(lines.buffer)));
    fd = open_text(&lines, text);
    check(next_is(&lines, "first") && next_is(&lines, NULL), "one that exceeds the buffer");
    rp_lines_close(&lines);
    close(fd);
    memset(&lines, '\n', sizeof(lines)); /* as an earlier use may have left it */
    fd = open_text(&lines, "\nsecond\n");
    check(next_is(&lines, "") && next_is(&lines, "second") && next_is(&lines, NULL),
          "what is behind the end does not count");
    rp_lines_close(&lines);
    close(fd);
    check(!rp_lines_open(&lines, "/proc/self/fd/nothing"), "no file");
    check(rp_number("1234", 10, 3) == 123 && rp_number("12x", 10, 10) == 12 &&
              rp_number("", 10, 10) == 0 && rp_number("/:", 10, 2) == 0,
          "decimal numbers");
    check(rp_number("09AFG", 16, 8) == 0x9af && rp_number("@", 16, 1) == 0 &&
              rp_number("ab", 16, 2) == 0 && rp_number("A", 10, 1) == 0,
          "hexadecimal numbers");
}

static bool is_at(const struct rp_endpoint *where, const char *address, uint16_t port) {
    struct in6_addr wanted;
    return inet_pton(AF_INET6, address, &wanted) == 1 && where->port == port &&
           !memcmp(&wanted, &where->address, sizeof(wanted));
}

#define REST "00000000:0000002A 02:000186A0 00000007  4711        0 31337 2 0000000000000000 20 4\n"

/* As proc_net_tcp(5) on this machine, whatever its byte order, if addresses are palindromes. */
static void check_procnet(void) {
    struct rp_lines lines;
    struct rp_net_socket socket;
    int fd = open_text(
        &lines,
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt\n"
        "   0: 7F00007F:1F90 0A01010A:0050 03 " REST "1234: 00000000000000000000000001000001:0016 "
        "FE8080FE000000000000000002000002:FFFF 0A " REST "   1: 7F00007F:1F90 0A\n");
    check(rp_procnet_next(&lines, &socket), "a line behind the head");
    check(is_at(&socket.local, "::ffff:127.0.0.127", 8080), "its local address");
    check(is_at(&socket.remote, "::ffff:10.1.1.10", 80), "its remote address");
    check(socket.state == 3 && socket.queue == 42 && socket.timeouts == 7 && socket.uid == 4711 &&
              socket.inode == 31337,
          "its other fields");
    check(rp_procnet_next(&lines, &socket), "a line of IPv6");
    check(is_at(&socket.local, "::100:1", 22), "its local address of IPv6");
    check(is_at(&socket.remote, "fe80:80fe::200:2", 65535), "its remote address of IPv6");
    check(socket.state == RP_LISTEN, "a listener");
    check(!rp_procnet_next(&lines, &socket), "a line that is too short");
    rp_lines_close(&lines);
    close(fd);
    fd = open_text(&lines, "  sl  local_address\n");
    check(!rp_procnet_next(&lines, &socket), "an empty table");
    rp_lines_close(&lines);
    close(fd);
    check(!rp_is_connection(&socket, RP_TCP) && !rp_is_connection(&socket, RP_UDP), "a listener");
    socket.state = 7;
    check(!rp_is_connection(&socket, RP_TCP), "a socket that is merely bound");
    socket.state = 1;
    check(rp_is_connection(&socket, RP_TCP) && !rp_is_connection(&socket, RP_UDP), "a connection");
}

static bool wildcard(const char *text) {
    struct in6_addr address;
    check(inet_pton(AF_INET6, text, &address) == 1, "no address");
    return rp_is_wildcard(&address);
}

static void check_addresses(void) {
    check(wildcard("::") && wildcard("::ffff:0.0.0.0"), "wildcards");
    check(!wildcard("::1") && !wildcard("::ffff:0.0.0.1") && !wildcard("::fffe:0:0") &&
              !wildcard("1::ffff:0.0.0.0"),
          "what is none");
    check(!rp_endpoint_size(15) && rp_endpoint_size(16) == 16 && rp_endpoint_size(23) == 16 &&
              rp_endpoint_size(24) == 24 && rp_endpoint_size(128) == 24 && !rp_endpoint_size(129),
          "how much of an address is read");
}

int main(void) {
    check_config();
    check_ports();
    check_messages();
    check_lines();
    check_procnet();
    check_addresses();
    printf("%u checks, %u failed\n", checks, failures);
    return failures > 0;
}

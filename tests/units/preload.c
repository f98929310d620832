/* SPDX-License-Identifier: MIT */
/* preload/: the settings while another thread reads them, and the functions that stand in for
 * libc's. Prints what is not as it should be, and how many checks were made. */
#include "check.h"
#include "preload/settings.c" /* NOLINT(bugprone-suspicious-include): its state is made up here */
#include "preload/string.c"   /* NOLINT(bugprone-suspicious-include): the command has libc's */

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Stands in for descriptor 2. */
static int written[2];

static bool is_silent(void) {
    char text[512];
    return read(written[0], text, sizeof(text)) < 0;
}

static void check_settings(void) {
    struct rp_config own;
    memset(&own, 0xff, sizeof(own));
    setenv("REUSEPORT_PORTS", "8080", 1);
    setenv("REUSEPORT_LOG", "info", 1);
    check(!rp_settings(), "nothing is read yet");
    state = CLAIMED; /* by another thread, which has not come further */
    errno = 4242;
    const struct rp_config *early = rp_settings_early(&own);
    check(early == &own && early->ports.count == 1, "a thread that comes second reads by itself");
    check(early->ports.entries[0].first == 8080 && early->log == RP_LOG_INFO, "all of it");
    check(errno == 4242 && is_silent() && !rp_settings(), "and nobody notices");
    setenv("REUSEPORT_PORTS", "8080,x", 1);
    check(!rp_settings_early(&own)->ports.count && is_silent(), "an error, too, is not told twice");
    setenv("REUSEPORT_PORTS", "", 1);
    memset(&own, 0xff, sizeof(own));
    check(rp_settings_early(&own) == &own && !own.ports.count, "an empty list");
    state = UNREAD;
    setenv("REUSEPORT_PORTS", "1-9,!7", 1);
    errno = 4242;
    early = rp_settings_early(&own);
    check(early == &published && early == rp_settings() && early->ports.count == 2, "the first");
    check(errno == 4242 && !is_silent(), "publishes them and tells of it");
    setenv("REUSEPORT_PORTS", "10", 1);
    errno = 4242;
    rp_settings_load();
    check(errno == 4242 && rp_settings()->ports.count == 2 && is_silent(), "they are read once");
    check(rp_settings_early(&own) == &published, "then all have the same");
}

/* Not by the compiler's own. */
static void *(*volatile copy)(void *restrict, const void *restrict, size_t) = memcpy;
static void *(*volatile move)(void *, const void *, size_t) = memmove;
static void *(*volatile set)(void *, int, size_t) = memset;
static int (*volatile compare)(const void *, const void *, size_t) = memcmp;
static int (*volatile differ)(const void *, const void *, size_t) = bcmp;

static bool same(const char *text, const char *wanted) {
    size_t i = 0;
    while (text[i] && text[i] == wanted[i]) i++;
    return text[i] == wanted[i];
}

static void check_strings(void) {
    char text[] = "abcdefgh";
    check(copy(text, "123", 3) == text && same(text, "123defgh"), "memcpy");
    check(copy(text, "9", 0) == text && same(text, "123defgh"), "memcpy of nothing");
    check(move(text + 1, text, 4) == text + 1 && same(text, "1123dfgh"), "memmove behind itself");
    check(move(text, text + 2, 4) == text && same(text, "23dfdfgh"), "memmove before itself");
    check(move(text, text, 8) == text && same(text, "23dfdfgh"), "memmove onto itself");
    check(set(text + 1, 0x100 + 'z', 2) == text + 1 && same(text, "2zzfdfgh"), "memset");
    check(!compare("abc", "abd", 2) && !differ("abc", "abd", 2), "what is alike");
    check(!compare("a", "b", 0) && !differ("a", "b", 0), "nothing is alike");
    check(compare("abc", "abd", 3) < 0 && compare("\xff", "a", 1) > 0, "memcmp");
    check(differ("abc", "abd", 3) && differ("bbc", "abc", 3), "bcmp");
}

int main(void) {
    if (pipe2(written, O_CLOEXEC | O_NONBLOCK)) return 2;
    dup2(written[1], 2);
    check_settings();
    check_strings();
    printf("%u checks, %u failed\n", checks, failures);
    return failures > 0;
}

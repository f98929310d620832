/* SPDX-License-Identifier: MIT */
/* Reading the settings once, without a lock. Another library's constructor may bind, in several
 * threads, before ours has run, and so may a signal handler at any time: whoever comes first
 * publishes, and nobody waits for it. */
#include "preload/settings.h"

#include "core/message.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/auxv.h>

/* Absent in musl before 1.1.0, which preloads nothing into a secure-execution process anyway. */
unsigned long getauxval(unsigned long type) __attribute__((weak));

enum { UNREAD, CLAIMED, PUBLISHED };

static struct rp_config published;
static int state;

static void report(const struct rp_config_error *error, const char *list) {
    struct rp_message message = RP_MESSAGE;
    rp_say(&message, error ? error->name : "loaded, sharing");
    rp_say(&message, error ? ": \"" : " \"");
    rp_say_escaped(&message, error ? error->value : list);
    rp_say(&message, error ? "\": " : "\"");
    rp_say(&message, error ? error->wrong : "");
    rp_say(&message, error ? "; sharing nothing" : "");
    rp_send(&message);
}

/* Reads the environment into *config; the first to do so may report. */
static void read_environment(struct rp_config *config, bool first) {
    const char *list = getenv("REUSEPORT_PORTS");
    struct rp_config_error error;
    config->ports.count = 0;
    if (!list || !*list || (getauxval && getauxval(AT_SECURE))) return;
    if (first) rp_message_init();
    const bool good = rp_config_read(config, list, &error);
    if (first && (config->log == RP_LOG_INFO || (!good && config->log == RP_LOG_WARN)))
        report(good ? NULL : &error, list);
}

void rp_settings_load(void) {
    const int keep = errno;
    int expected = UNREAD;
    /* 32 bits wide, so that compilers make no call of it. */
    if (__atomic_compare_exchange_n(&state, &expected, CLAIMED, false, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED)) {
        read_environment(&published, true);
        __atomic_store_n(&state, PUBLISHED, __ATOMIC_RELEASE);
    }
    errno = keep;
}

const struct rp_config *rp_settings(void) {
    return __atomic_load_n(&state, __ATOMIC_ACQUIRE) == PUBLISHED ? &published : NULL;
}

const struct rp_config *rp_settings_early(struct rp_config *own) {
    const int keep = errno;
    rp_settings_load();
    if (rp_settings()) return rp_settings();
    read_environment(own, false);
    errno = keep;
    return own;
}

/* Reading REUSEPORT_* from the environment: either all of it is valid, or the library is inert and
 * one line says why. */
#include "config.h"

#include "message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

/* Absent in musl before 1.1.0, which preloads nothing into a secure-execution process anyway. */
unsigned long getauxval(unsigned long type) __attribute__((weak));

static struct rp_config config;
static int loaded;

/* Writes "NAME: "VALUE": WRONG; sharing nothing" and sees to it that nothing is. */
static void refuse(const char *name, const char *value, const char *wrong) {
    struct rp_message message = RP_MESSAGE;
    rp_say(&message, name);
    rp_say(&message, ": ");
    rp_say_quoted(&message, value);
    rp_say(&message, ": ");
    rp_say(&message, wrong);
    rp_say(&message, "; sharing nothing");
    if (config.log != RP_LOG_OFF)
        rp_send(&message);
    config.log = RP_LOG_OFF; /* one line is enough */
    config.ports.count = 0;
}

/* The index of the variable's value among the words, each of which ends with a NUL; the first if it is
 * unset or empty, -1 if it is none of them. */
static int choose(const char *name, const char *words, const char *wrong) {
    const char *value = getenv(name);
    if (!value || !*value)
        return 0;
    for (int i = 0; *words; i++, words += strlen(words) + 1)
        if (!strcmp(value, words))
            return i;
    refuse(name, value, wrong);
    return -1;
}

static void read_environment(const char *list) {
    char bad[RP_ENTRY_SIZE];
    const char *wrong = rp_ports_parse(&config.ports, list, bad);
    const int log = choose("REUSEPORT_LOG", "warn\0off\0info\0", "not off, warn or info");
    config.log = log < 0 ? RP_LOG_OFF : (enum rp_log)log;
    if (wrong)
        refuse("REUSEPORT_PORTS", bad, wrong);
    config.at_socket = choose("REUSEPORT_AT", "bind\0socket\0", "not bind or socket") == 1;
    config.reuseaddr = choose("REUSEPORT_REUSEADDR", "0\0001\0", "not 0 or 1") == 1;
    if (config.at_socket && !config.ports.all_tcp)
        refuse("REUSEPORT_AT", "socket", "needs an entry all or all/tcp in REUSEPORT_PORTS");
    if (config.log != RP_LOG_INFO || !config.ports.count)
        return;
    struct rp_message message = RP_MESSAGE;
    rp_say(&message, "loaded, sharing ");
    rp_say_quoted(&message, list);
    rp_send(&message);
}

const struct rp_config *rp_config(void) {
    if (!__atomic_load_n(&loaded, __ATOMIC_RELAXED)) {
        const int keep = errno;
        const char *list = getenv("REUSEPORT_PORTS");
        rp_message_init();
        if (list && *list && !(getauxval && getauxval(AT_SECURE)))
            read_environment(list);
        __atomic_store_n(&loaded, 1, __ATOMIC_RELAXED);
        errno = keep;
    }
    return &config;
}

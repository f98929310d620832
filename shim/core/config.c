/* Reading REUSEPORT_* from the environment: either all of it is valid, or the library is inert and
 * one line says why. */
#include "core/config.h"

#include "core/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

/* Absent in musl before 1.1.0, which preloads nothing into a secure-execution process anyway. */
unsigned long getauxval(unsigned long type) __attribute__((weak));

static bool refuse(struct rp_config_error *error, const char *name, const char *value,
                   const char *wrong) {
    memset(error->value, 0, RP_ENTRY_SIZE);
    memcpy(error->value, value, strnlen(value, RP_ENTRY_SIZE - 1));
    error->name = name;
    error->wrong = wrong;
    return false;
}

enum { WORDS = 3 };

/* Sets *choice to the index of the variable's value among the words; to 0 if it is unset, empty or wrong. */
static bool choose(const char *name, const char *const words[WORDS], const char *wrong, int *choice,
                   struct rp_config_error *error) {
    const char *value = getenv(name);
    *choice = 0;
    if (!value || !*value) return true;
    for (int i = 0; i < WORDS && words[i]; i++) {
        if (strcmp(value, words[i]) != 0) continue;
        *choice = i;
        return true;
    }
    return refuse(error, name, value, wrong);
}

static bool read_list(struct rp_config *config, const char *list, struct rp_config_error *error) {
    error->name = "REUSEPORT_PORTS";
    error->wrong = list && *list ? rp_ports_parse(&config->ports, list, error->value) : NULL;
    if (error->wrong || !config->at_socket || config->ports.all_tcp) return !error->wrong;
    config->ports.count = 0;
    return refuse(error, "REUSEPORT_AT", "socket", "needs all or all/tcp in REUSEPORT_PORTS");
}

bool rp_config_read(struct rp_config *config, const char *list, struct rp_config_error *error) {
    static const char *const logs[WORDS] = {"warn", "off", "info"};
    static const char *const moments[WORDS] = {"bind", "socket"};
    static const char *const switches[WORDS] = {"0", "1"};
    memset(config, 0, sizeof(*config));
    memset(error, 0, sizeof(*error));
    return choose("REUSEPORT_LOG", logs, "not off, warn or info", &config->log, error) &&
           choose("REUSEPORT_AT", moments, "not bind or socket", &config->at_socket, error) &&
           choose("REUSEPORT_REUSEADDR", switches, "not 0 or 1", &config->reuseaddr, error) &&
           read_list(config, list, error);
}

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

const struct rp_config *rp_config(void) {
    static struct rp_config config;
    static int loaded;
    if (!__atomic_load_n(&loaded, __ATOMIC_RELAXED)) {
        const int keep = errno;
        const char *list = getenv("REUSEPORT_PORTS");
        struct rp_config_error error;
        if (list && *list && !(getauxval && getauxval(AT_SECURE))) {
            rp_message_init();
            const bool good = rp_config_read(&config, list, &error);
            if (config.log == RP_LOG_INFO || (!good && config.log == RP_LOG_WARN))
                report(good ? NULL : &error, list);
        }
        __atomic_store_n(&loaded, 1, __ATOMIC_RELAXED);
        errno = keep;
    }
    return &config;
}

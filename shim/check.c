/* reuseport check: says whether the library can reach a command, and what this machine offers. */
#include "command.h"
#include "launch.h"
#include "library.h"
#include "reach.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <unistd.h>

static const char help[] =
    "Usage: reuseport check [OPTION]... [COMMAND]\n"
    "Say whether the library can reach COMMAND, and why not; then what this kernel\n"
    "offers and what would be in the way. One line for each finding.\n"
    "\n"
    "  -p, --ports=LIST       check this list as well, as run would\n"
    "      --library=FILE     the library; else as for run\n"
    "  -h, --help             this help\n"
    "  -V, --version          the version\n"
    "\n"
    "Exit status: 0 if the library reaches COMMAND, 1 if it does not, 125 if\n"
    "reuseport itself fails.\n";

/* The first number of a file below /proc/sys, or fallback. */
static long read_setting(const char *path, long fallback) {
    long value = fallback;
    FILE *file = fopen(path, "re");
    if (!file) return fallback;
    if (fscanf(file, "%ld", &value) != 1) value = fallback;
    fclose(file);
    return value;
}

static bool has_capability(int number) {
    unsigned long long effective = 0;
    char line[256];
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "CapEff: %llx", &effective) == 1) break;
    if (file) fclose(file);
    return effective >> number & 1;
}

static void check_kernel(void) {
    static const struct {
        int major, minor;
        const char *lacks;
    } needs[] = {
        {3, 9, "SO_REUSEPORT itself is not there (3.9)"},
        {4, 5, "a group cannot be steered, which replace needs (4.5)"},
        {5, 6,
         "sockets of other processes cannot be taken (pidfd_getfd, 5.6): list cannot tell who "
         "shares, adopt and replace cannot work"},
        {5, 14,
         "what waits in the queue of a copy that ends is lost (net.ipv4.tcp_migrate_req, 5.14)"},
    };
    struct utsname name;
    int major = 0, minor = 0, lacking = 0;
    if (uname(&name) || sscanf(name.release, "%d.%d", &major, &minor) != 2) return;
    for (size_t i = 0; i < sizeof(needs) / sizeof(*needs); i++) {
        if (major > needs[i].major || (major == needs[i].major && minor >= needs[i].minor))
            continue;
        printf("kernel %s: %s\n", name.release, needs[i].lacks);
        lacking++;
    }
    if (!lacking)
        printf("kernel %s: has all that run, list, adopt and replace need\n", name.release);
}

static void check_environment(void) {
    const long migrate = read_setting("/proc/sys/net/ipv4/tcp_migrate_req", -1);
    const long yama = read_setting("/proc/sys/kernel/yama/ptrace_scope", 0);
    const bool may_trace = has_capability(19); /* CAP_SYS_PTRACE (capabilities(7)) */
    check_kernel();
    if (migrate == 0)
        printf(
            "net.ipv4.tcp_migrate_req is 0: what waits in the queue of a copy that ends is reset; "
            "1 hands it to the others\n");
    if (migrate > 0)
        printf(
            "net.ipv4.tcp_migrate_req is %ld: what waits in the queue of a copy that ends goes to "
            "the others\n",
            migrate);
    if (may_trace)
        printf("this process may look into all others, for list, adopt and replace\n");
    else if (yama > 0)
        printf(
            "this process may not look into others (kernel.yama.ptrace_scope is %ld): list, adopt "
            "and replace need CAP_SYS_PTRACE here\n",
            yama);
    else
        printf("this process may look into others of its user only, for list, adopt and replace\n");
}

/* A list as run would take it; what it names and this process could not bind is a finding, no error. */
static void check_list(bool by_option) {
    const long first = read_setting("/proc/sys/net/ipv4/ip_unprivileged_port_start", 1024);
    const struct rp_config config = rp_launch_check_settings(by_option);
    for (unsigned i = 0; i < config.ports.count; i++) {
        const struct rp_entry *entry = &config.ports.entries[i];
        if (entry->deny || entry->first >= first ||
            (entry->first == 1 && entry->last == UINT16_MAX))
            continue;
        if (has_capability(10)) continue; /* CAP_NET_BIND_SERVICE */
        printf(
            "port %u: below %ld, and this process has no CAP_NET_BIND_SERVICE: a bind is refused\n",
            entry->first, first);
    }
}

int rp_cmd_check(int argc, char **argv) {
    enum { LIBRARY = 256 };
    static const struct option longs[] = {
        {"ports", required_argument, NULL, 'p'},
        {"library", required_argument, NULL, LIBRARY},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    const char *given = NULL;
    struct rp_library library;
    struct rp_reach reach = {.reached = true};
    char path[PATH_MAX];
    bool ports = false;
    int option;
    while ((option = rp_next_option(argc, argv, "+:p:hV", longs, help)) != -1) {
        if (option == LIBRARY)
            given = optarg;
        else if (setenv("REUSEPORT_PORTS", optarg, 1))
            rp_die("%s", strerror(errno));
        else
            ports = true;
    }
    if (argc - optind > 1) rp_die("check: one command, please; see reuseport check --help");
    check_list(ports);
    rp_library_find(given, &library);
    if (optind < argc) {
        const int error = rp_find_command(argv[optind], path);
        if (!error) rp_reach_examine(path, &library.program, &reach);
        rp_make_plain(argv[optind]);
        if (error) printf("%s: %s\n", argv[optind], strerror(error));
        reach.reached = reach.reached && !error;
    }
    for (unsigned i = 0; i < reach.count; i++) puts(reach.findings[i].text);
    check_environment();
    if (fflush(stdout)) rp_die("standard output: %s", strerror(errno));
    return reach.reached ? 0 : 1;
}

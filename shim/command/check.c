/* reuseport check: says whether the library can reach a command, and what this machine offers. */
#include "base/die.h"
#include "command/arguments.h"
#include "command/command.h"
#include "launch/find_library.h"
#include "launch/launch.h"
#include "seccomp/enter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static const char help[] =
    "Usage: reuseport check [OPTION]... [COMMAND]\n"
    "Say whether the library can reach COMMAND, and why not, and by which method run\n"
    "would start it; then what this kernel offers and what would be in the way. One\n"
    "line for each finding.\n"
    "\n"
    "  -p, --ports=LIST       check this list as well, as run would\n"
    "  -m, --method=METHOD    what the exit status is about: preload, the library,\n"
    "                         which is the default; seccomp; or auto, either of them\n"
    "      --library=FILE     the library; else as for run\n"
    "  -h, --help             this help\n"
    "  -V, --version          the version\n"
    "\n"
    "Exit status: 0 if the method reaches COMMAND, 1 if it does not, 125 if reuseport\n"
    "itself fails.\n";

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
static struct rp_config check_list(bool by_option) {
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
    return config;
}

/* What is to be checked. */
struct subject {
    const char *command, *library;
    enum rp_method method;
    bool ports; /* given by -p */
};

static void parse_options(int argc, char **argv, struct subject *subject) {
    enum { LIBRARY = 256 };
    static const struct option longs[] = {
        {"ports", required_argument, NULL, 'p'},       {"method", required_argument, NULL, 'm'},
        {"library", required_argument, NULL, LIBRARY}, {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},           {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = rp_next_option(argc, argv, "+:p:m:hV", longs, help)) != -1) {
        switch (option) {
        case 'p':
            rp_set_variable("REUSEPORT_PORTS", optarg);
            subject->ports = true;
            break;
        case 'm':
            subject->method = rp_parse_method(optarg);
            break;
        default:
            subject->library = optarg;
            break;
        }
    }
    if (argc - optind > 1) rp_die("check: one command, please; see reuseport check --help");
    subject->command = argv[optind];
}

/* Prints what was found out about the command, and by which method run would start it. Returns whether the
 * method that was asked about reaches it. */
static bool check_command(const struct subject *subject, const struct rp_executable *library,
                          const char *no_seccomp) {
    static struct rp_preflight reach;
    char path[PATH_MAX], name[PATH_MAX];
    snprintf(name, sizeof(name), "%s", subject->command);
    rp_make_plain(name);
    const int error = rp_find_command(subject->command, path);
    if (error) {
        printf("%s: %s\n", name, strerror(error));
        return false;
    }
    rp_preflight_examine(path, library, &reach);
    for (unsigned i = 0; i < reach.count; i++) puts(reach.findings[i].text);
    const enum rp_method taken = rp_preflight_method(&reach, RP_AUTO);
    const enum rp_method asked = rp_preflight_method(&reach, subject->method);
    const bool in_vain = taken == RP_SECCOMP && no_seccomp;
    if (rp_preflight_hindrance(&reach, taken) || in_vain)
        printf("run -m auto: refuses it%s%s\n", in_vain ? "; seccomp " : "",
               in_vain ? no_seccomp : "");
    else
        printf("run -m auto: takes %s\n", taken == RP_SECCOMP ? "seccomp" : "preload");
    return !rp_preflight_hindrance(&reach, asked) && !(asked == RP_SECCOMP && no_seccomp);
}

int rp_cmd_check(int argc, char **argv) {
    struct subject subject = {.method = RP_PRELOAD};
    struct rp_library library;
    parse_options(argc, argv, &subject);
    const struct rp_config config = check_list(subject.ports);
    if (subject.method != RP_SECCOMP) rp_find_library(subject.library, &library);
    const char *list = getenv("REUSEPORT_PORTS");
    const char *no_seccomp = rp_seccomp_try(&config, list ? list : "");
    const bool reached =
        !subject.command ||
        check_command(&subject, subject.method == RP_SECCOMP ? NULL : &library.program, no_seccomp);
    check_environment();
    printf("seccomp, for programs that no preload reaches: %s\n",
           no_seccomp ? no_seccomp : "can be done here");
    if (fflush(stdout)) rp_die("standard output: %s", strerror(errno));
    return reached ? 0 : 1;
}

/* SPDX-License-Identifier: MIT */
/* reuseport check: whether the library reaches a command, and what this machine offers. */
#include "command/check.h"
#include "base/die.h"
#include "command/arguments.h"
#include "command/command.h"
#include "inspect/rights.h"
#include "launch/environment.h"
#include "launch/find_library.h"
#include "launch/preflight.h"
#include "seccomp/enter.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static const char help[] =
    "Usage: reuseport check [OPTION]... [COMMAND [ARG]...|PID]\n"
    "Say whether the library reaches COMMAND, and if not, why, and which method run\n"
    "would use; then what this kernel offers and what stands in the way. Prints one\n"
    "line for each finding; starts nothing, and ignores ARGs. Of a process, PID, say\n"
    "whether the library is loaded there, with which list, whether a sandbox may be\n"
    "in the way, and what it and its descendants share.\n"
    "\n"
    "  -p, --ports=LIST       check this list, too, as run would\n"
    "  -m, --method=METHOD    which method the exit status is about: preload, by the\n"
    "                         library (default); seccomp; or auto, either of them\n"
    "      --library=FILE     the library; by default as for run\n"
    "  -h, --help             print this help\n"
    "  -V, --version          print the version\n"
    "\n"
    "Exit status: 0 if the method reaches COMMAND or PID, or PID shares what it\n"
    "listens on, 1 if not, 125 if reuseport itself fails.\n";

#define IN_VAIN                                                                                    \
    "list may not tell who shares, adopt cannot work, and replace only if the server shares "      \
    "already"

/* error: of handing over a socket. */
static void check_kernel(int error) {
    static const struct {
        int major, minor;
        const char *lacks;
    } needs[] = {
        {3, 9, "has no SO_REUSEPORT (3.9)"},
        {4, 5, "cannot steer a group, which replace needs (4.5)"},
        {5, 14,
         "resets connections in the queue of a copy that ends (net.ipv4.tcp_migrate_req, 5.14)"},
        {0, 0, NULL},
    };
    struct utsname name;
    int major = 0, minor = 0, lacking = 0;
    if (uname(&name) || sscanf(name.release, "%d.%d", &major, &minor) != 2) return;
    for (size_t i = 0; needs[i].lacks; i++) {
        if (major > needs[i].major || (major == needs[i].major && minor >= needs[i].minor))
            continue;
        printf("kernel %s: %s\n", name.release, needs[i].lacks);
        lacking++;
    }
    if (error == ENOSYS)
        printf("kernel %s: pidfd_getfd (5.6) is missing, or a seccomp filter hides it: " IN_VAIN
               "\n",
               name.release);
    else if (!lacking && !error)
        printf("kernel %s: has all that run, list, adopt and replace need\n", name.release);
}

static void check_migration(void) {
    const long migrate = rp_setting("/proc/sys/net/ipv4/tcp_migrate_req", -1);
    if (migrate == 0)
        printf("net.ipv4.tcp_migrate_req is 0: connections in the queue of a copy that ends are "
               "reset; with 1 the other copies get them, which is recommended where nginx -t or "
               "the like visits the port\n");
    if (migrate > 0)
        printf("net.ipv4.tcp_migrate_req is %ld: connections in the queue of a copy that ends go "
               "to the others\n",
               migrate);
}

static void check_tracing(int error) {
    const long yama = rp_yama_scope();
    if (error == ENOSYS) return;
    if (error == EPERM && rp_is_filtered())
        printf("pidfd_getfd: " RP_FILTERED "; without that, " IN_VAIN "\n");
    else if (error && !yama)
        printf("pidfd_getfd: %s; " IN_VAIN "\n", strerror(error));
    else if (rp_has_capability(RP_SYS_PTRACE))
        printf("this process may look into all others, for list, adopt and replace\n");
    else if (yama > 0)
        printf("this process may not look into others (kernel.yama.ptrace_scope is %ld): list, "
               "adopt and replace need CAP_SYS_PTRACE here\n",
               yama);
    else
        printf("this process may look into others of its user only, for list, adopt and replace\n");
}

/* Reads the list as run would. What it names and this process may not bind is a finding, not an
 * error. */
static struct rp_config check_list(const char *option) {
    const long first = rp_setting("/proc/sys/net/ipv4/ip_unprivileged_port_start", 1024);
    const struct rp_config config = rp_environment_read(option);
    for (unsigned i = 0; i < config.ports.count; i++) {
        const struct rp_entry *entry = &config.ports.entries[i];
        if (entry->deny || entry->first >= first ||
            (entry->first == 1 && entry->last == UINT16_MAX))
            continue;
        if (rp_has_capability(RP_NET_BIND_SERVICE)) continue;
        printf("port %u: below %ld, and this process has no CAP_NET_BIND_SERVICE: bind will be "
               "refused\n",
               entry->first, first);
    }
    return config;
}

/* What is to be checked. */
struct subject {
    const char *command, *library, *list;
    enum rp_method method;
};

static bool is_pid(const char *text) {
    return text && *text && !text[strspn(text, "0123456789")];
}

static void parse_options(int argc, char **argv, struct subject *subject) {
    enum { LIBRARY = 256 };
    static const struct option longs[] = {
        {"ports", required_argument, NULL, 'p'},       {"method", required_argument, NULL, 'm'},
        {"library", required_argument, NULL, LIBRARY}, {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},           {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = rp_next_option(argc, argv, "+:p:m:hV", longs, help)) != -1) {
        if (option == 'p') subject->list = optarg;
        if (option == 'm') subject->method = rp_parse_method(optarg);
        if (option == LIBRARY) subject->library = optarg;
    }
    subject->command = argv[optind];
    if (argc - optind > 1 && is_pid(subject->command))
        rp_die("check: expected COMMAND or a single PID; see reuseport check --help");
}

/* Prints what was found about the command. Returns whether it was found at all. */
static bool examine(const char *command, const struct rp_executable *library,
                    struct rp_preflight *preflight) {
    char name[PATH_MAX], text[RP_FINDING_TEXT];
    const int error = rp_preflight_examine(command, preflight);
    if (error) {
        snprintf(name, sizeof(name), "%s", command);
        printf("%s: %s\n", rp_make_plain(name), strerror(error));
        return false;
    }
    rp_preflight_judge(preflight, library);
    for (unsigned i = 0; i < preflight->count; i++)
        puts(rp_finding_text(preflight, &preflight->findings[i], text));
    return true;
}

/* Prints what was found, and the method that run would use. Returns whether the one asked about
 * reaches the command. */
static bool check_command(const struct subject *subject, const struct rp_executable *library,
                          const char *no_seccomp) {
    static struct rp_preflight preflight;
    if (!examine(subject->command, library, &preflight)) return false;
    const enum rp_method used = rp_preflight_method(&preflight, RP_AUTO);
    const enum rp_method asked = rp_preflight_method(&preflight, subject->method);
    const bool in_vain = used == RP_SECCOMP && no_seccomp;
    if (rp_preflight_hindrance(&preflight, used) || in_vain)
        printf("run -m auto: refuses it%s%s\n", in_vain ? "; seccomp " : "",
               in_vain ? no_seccomp : "");
    else
        printf("run -m auto: uses %s\n", used == RP_SECCOMP ? "seccomp" : "preload");
    return !rp_preflight_hindrance(&preflight, asked) && !(asked == RP_SECCOMP && no_seccomp);
}

int rp_cmd_check(int argc, char **argv) {
    struct subject subject = {.method = RP_PRELOAD};
    struct rp_library library;
    parse_options(argc, argv, &subject);
    const struct rp_config config = check_list(subject.list);
    const bool is_process = is_pid(subject.command);
    if (subject.method != RP_SECCOMP || is_process) rp_find_library(subject.library, &library);
    const char *no_seccomp = rp_seccomp_try(&config, rp_environment_list(subject.list));
    const bool reached =
        !subject.command ? true
        : is_process
            ? rp_check_process((pid_t)rp_parse_number("check", subject.command, 1, INT_MAX),
                               library.path, subject.method)
            : check_command(&subject, subject.method == RP_SECCOMP ? NULL : &library.program,
                            no_seccomp);
    const int error = rp_try_child();
    check_kernel(error);
    check_migration();
    check_tracing(error);
    printf("seccomp, for programs that no preload reaches: %s\n",
           no_seccomp ? no_seccomp : "works here");
    if (fflush(stdout)) rp_die("standard output: %s", strerror(errno));
    return reached ? 0 : 1;
}

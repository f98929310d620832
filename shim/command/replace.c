/* reuseport replace: a new server takes the ports of a running one, without losing a connection. */
#include "base/clock.h"
#include "base/die.h"
#include "base/progress.h"
#include "command/arguments.h"
#include "command/command.h"
#include "handover/handover.h"
#include "handover/successor.h"
#include "inspect/option.h"
#include "inspect/process.h"
#include "launch/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char help[] =
    "Usage: reuseport replace [OPTION]... PID [--] COMMAND [ARG]...\n"
    "Start COMMAND to share the ports of PID and its descendants, send new\n"
    "connections to it alone, wait until PID has none left to accept, and signal PID.\n"
    "If COMMAND does not come up, PID goes on as before.\n"
    "\n"
    "  -p, --ports=LIST       of PID's ports those in LIST; else all that it holds\n"
    "  -n, --copies=N|auto    start N copies of COMMAND, as run does\n"
    "  -I STRING              in the ARGs, STRING stands for the copy's number\n"
    "  -m, --method=METHOD    how COMMAND shares its ports, as for run\n"
    "  -s, --signal=SIGNAL    what PID is sent at the end (TERM)\n"
    "      --drain=SECONDS    how long to wait for PID's connections to end (10)\n"
    "      --start-timeout=SECONDS  for COMMAND to listen (30)\n"
    "      --stop-timeout=SECONDS  for PID to end once it is signalled (30)\n"
    "      --kill             after that, send it KILL\n"
    "      --strict           refuse where a connection could be lost\n"
    "      --foreground       stay, pass on signals, and end when the new server does\n"
    "      --library=FILE     the library; else as for run\n"
    "  -h, --help             this help\n"
    "  -V, --version          the version\n"
    "\n"
    "Exit status: 0 if PID has been replaced, 125 if not: PID then serves as before,\n"
    "or it has been signalled and did not end in time; 126 if COMMAND cannot be run,\n"
    "127 if it is not found; with --foreground that of the new server.\n";

enum {
    SETTLE = 100,   /* milliseconds without anything left to accept */
    TIME_WAIT = 65, /* seconds that the kernel keeps what is left of a connection, and some more */
};

struct options {
    struct rp_copies copies;
    const char *library, *ports;
    enum rp_method method;
    int signal_number;
    long drain, start_timeout, stop_timeout; /* seconds */
    bool kill, strict, foreground;
    pid_t pid;
};

/* A replacement under way. */
struct replacement {
    struct options options;
    struct rp_handover handover;
    struct rp_sockets olds;
    bool *adopted; /* of olds: switched on by us */
    int pidfd;     /* of the old server, so that no other process can be taken for it */
    struct rp_successor successor;
};

static volatile sig_atomic_t interrupted;

static void interrupt(int signal_number) {
    interrupted = signal_number;
}

static void parse_options(int argc, char **argv, struct options *options) {
    enum { DRAIN = 256, START, STOP, KILL, STRICT, FOREGROUND, LIBRARY };
    static const struct option longs[] = {
        {"ports", required_argument, NULL, 'p'},
        {"copies", required_argument, NULL, 'n'},
        {"method", required_argument, NULL, 'm'},
        {"signal", required_argument, NULL, 's'},
        {"drain", required_argument, NULL, DRAIN},
        {"start-timeout", required_argument, NULL, START},
        {"stop-timeout", required_argument, NULL, STOP},
        {"kill", no_argument, NULL, KILL},
        {"strict", no_argument, NULL, STRICT},
        {"foreground", no_argument, NULL, FOREGROUND},
        {"library", required_argument, NULL, LIBRARY},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    const long most = 24L * 60 * 60;
    int option;
    *options = (struct options){
        .signal_number = SIGTERM, .drain = 10, .start_timeout = 30, .stop_timeout = 30};
    while ((option = rp_next_option(argc, argv, "+:p:n:s:m:I:hV", longs, help)) != -1) {
        switch (option) {
        case 'p':
            options->ports = optarg;
            break;
        case 'n':
            options->copies.count = rp_parse_copies(optarg);
            break;
        case 'I':
            options->copies.replace = rp_parse_replaced(optarg);
            break;
        case 'm':
            options->method = rp_parse_method(optarg);
            break;
        case 's':
            options->signal_number = rp_parse_signal(optarg);
            break;
        case DRAIN:
            options->drain = rp_parse_number("--drain", optarg, 0, most);
            break;
        case START:
            options->start_timeout = rp_parse_number("--start-timeout", optarg, 1, most);
            break;
        case STOP:
            options->stop_timeout = rp_parse_number("--stop-timeout", optarg, 1, most);
            break;
        case LIBRARY:
            options->library = optarg;
            break;
        default:
            *(option == KILL     ? &options->kill
              : option == STRICT ? &options->strict
                                 : &options->foreground) = true;
            break;
        }
    }
    if (argc - optind < 1) rp_die("replace: which PID? See reuseport replace --help");
    options->pid = (pid_t)rp_parse_number("replace", argv[optind++], 1, INT_MAX);
    if (optind < argc && !strcmp(argv[optind], "--")) optind++;
    if (optind == argc) rp_die("replace: no command given; see reuseport replace --help");
    options->copies.arguments = argv + optind;
}

/* Finds the old server and its sockets, or exits. */
static void find_old(struct replacement *this) {
    const pid_t pid = this->options.pid;
    struct rp_ports list = {.count = 0};
    char bad[RP_ENTRY_SIZE];
    const char *wrong =
        this->options.ports ? rp_ports_parse(&list, this->options.ports, bad) : NULL;
    if (wrong) rp_die("-p: \"%s\": %s", bad, wrong);
    this->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (this->pidfd < 0)
        rp_die("replace: %d: %s", (int)pid,
               errno == ESRCH ? "there is no such process" : rp_option_reason(errno));
    if (rp_process_children(&(pid_t){0}, 1) > 0)
        rp_die("replace: this process has children already; start it as a process of its own");
    if (rp_process_is_below(getpid(), pid))
        rp_die("replace: pid %d is an ancestor of this command; start it from elsewhere", (int)pid);
    if (!rp_process_is_near(pid))
        rp_die("replace: pid %d is in another network namespace; try nsenter -t %d -n reuseport "
               "replace",
               (int)pid, (int)pid);
    this->handover.old = pid;
    rp_handover_find(&this->handover, &list, &this->olds);
    if (!this->olds.count)
        rp_die("replace: pid %d and its descendants hold no%s port that this process may see",
               (int)pid, this->options.ports ? " such" : "");
    rp_sockets_sort(&this->olds);
}

/* "80/tcp,53/udp": what COMMAND is to share. */
static void set_ports(const struct replacement *this) {
    char list[RP_ENTRIES_MAX * 16] = "";
    size_t length = 0;
    unsigned entries = 0;
    for (size_t i = 0; i < this->olds.count; i++) {
        const struct rp_socket *socket = &this->olds.list[i];
        if (i && socket->local.port == socket[-1].local.port && socket->proto == socket[-1].proto)
            continue;
        if (++entries > RP_ENTRIES_MAX) rp_die("replace: more than 64 ports; choose with -p");
        length +=
            (size_t)snprintf(list + length, sizeof(list) - length, "%s%u/%s", length ? "," : "",
                             socket->local.port, socket->proto == RP_TCP ? "tcp" : "udp");
    }
    rp_set_variable("REUSEPORT_PORTS", list);
    rp_set_variable("REUSEPORT_AT", "bind");
    rp_set_variable("REUSEPORT_REUSEADDR", "1"); /* for connections in TIME_WAIT */
}

static void give_back(struct replacement *this) {
    bool changed, any = false;
    for (size_t i = 0; i < this->olds.count; i++) {
        if (this->adopted[i]) rp_option_switch(&this->olds.list[i], false, &changed);
        any = any || this->adopted[i];
    }
    if (any) rp_handover_share_connections(&this->handover, false);
}

static void adopt_all(struct replacement *this) {
    this->adopted = calloc(this->olds.count, sizeof(*this->adopted));
    if (!this->adopted) rp_die("%s", strerror(errno));
    for (size_t i = 0; i < this->olds.count; i++) {
        char text[RP_SOCKET_TEXT];
        const int error = rp_option_switch(&this->olds.list[i], true, &this->adopted[i]);
        if (!error) continue;
        give_back(this);
        rp_die("replace: %s of pid %d: %s", rp_socket_text(&this->olds.list[i], text),
               (int)this->options.pid, rp_option_reason(error));
    }
}

static bool old_has_ended(const struct replacement *this) {
    struct pollfd end = {.fd = this->pidfd, .events = POLLIN};
    return poll(&end, 1, 0) == 1;
}

/* Back to the old server: what COMMAND has been given to accept already it is given the time to answer. */
static void send_to_old(struct replacement *this) {
    rp_handover_count(&this->handover);
    rp_handover_steer(&this->handover, RP_TO_OLD);
    for (double end = rp_now() + 2; rp_now() < end && !rp_successor_is_lost(&this->successor) &&
                                    (rp_handover_waiting(&this->handover, true) ||
                                     rp_handover_connections(&this->handover, true));)
        rp_tick();
}

/* Ends COMMAND and puts everything back as it was; unless the old server has gone, so that COMMAND is all
 * that is left. */
static int undo(struct replacement *this, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int undo(struct replacement *this, const char *format, ...) {
    const int pid = (int)this->options.pid;
    char why[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);
    if (this->successor.child && !old_has_ended(this)) send_to_old(this);
    if (old_has_ended(this) && !rp_successor_is_lost(&this->successor)) {
        rp_handover_release(&this->handover);
        rp_steps_end();
        rp_warn("replace: %s; pid %d has ended meanwhile, by itself, so pid %d is left running",
                why, pid, (int)rp_successor_pid(&this->successor));
        return RP_FAILED;
    }
    const bool ended = rp_successor_end(&this->successor);
    rp_handover_release(&this->handover);
    give_back(this);
    rp_steps_end();
    rp_warn("replace: %s; pid %d %s%s", why, pid,
            old_has_ended(this) ? "has ended meanwhile, by itself" : "serves as before",
            ended ? "" : ", but some of COMMAND could not be ended");
    return RP_FAILED;
}

/* Waits until COMMAND can bind. Connections accepted before the adoption lack the option: those that the old
 * server has are given it, those in its queue it is to accept first, and what is left of those that it closed
 * ends by itself. What else is in the way COMMAND will tell of. */
static int clear_way(struct replacement *this) {
    const double begin = rp_now();
    bool again = false;
    /* Twice, as one may be accepted between the looks. */
    for (int settled = 0; settled < 2 && rp_now() - begin < TIME_WAIT; rp_tick()) {
        const bool changed = rp_handover_share_connections(&this->handover, true) > 0;
        if (!rp_handover_is_blocked(&this->handover)) return 0;
        settled = changed || rp_handover_passing(&this->handover) ? 0 : settled + 1;
        if (!settled) {
            rp_step(again, "waiting for connections from before to get out of the way");
            again = true;
        }
        if (interrupted) return undo(this, "interrupted");
    }
    return 0;
}

static int start(struct replacement *this) {
    this->handover.new = getpid();
    const int error = rp_successor_start(&this->successor, &this->options.copies);
    return error ? undo(this, "fork: %s", strerror(error)) : 0;
}

/* In words, for undo. */
static int give_up_lost(struct replacement *this, const char *when) {
    const int status = this->successor.status;
    return undo(this, "%s ended with status %d%s", this->options.copies.arguments[0],
                status < 0 ? 0 : status, when);
}

/* Returns 0 once all copies listen where the old server does, or on its ports at least. */
static int wait_until_up(struct replacement *this) {
    const unsigned copies =
        this->options.copies.count > 1 ? (unsigned)this->options.copies.count : 1;
    const double begin = rp_now();
    double since = 0;
    rp_step(false, "waiting until %s listens", this->options.copies.arguments[0]);
    for (;; rp_tick()) {
        if (interrupted) return undo(this, "interrupted");
        if (rp_successor_is_lost(&this->successor))
            return give_up_lost(this, " before it listened on all ports");
        rp_handover_count(&this->handover);
        if (rp_handover_is_up(&this->handover, copies, false)) return 0;
        if (!rp_handover_is_up(&this->handover, copies, true))
            since = 0;
        else if (since == 0)
            since = rp_now();
        else if (rp_now() - since > 1)
            return 0; /* on other addresses, then */
        if (rp_now() - begin > (double)this->options.start_timeout)
            return undo(this, "%s does not listen on all ports after %ld seconds",
                        this->options.copies.arguments[0], this->options.start_timeout);
    }
}

static bool migrates(void) {
    char value = '0';
    const int fd = open("/proc/sys/net/ipv4/tcp_migrate_req", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const bool read_it = read(fd, &value, 1) == 1;
    close(fd);
    return read_it && value == '1';
}

/* What the change cannot promise for a group, or NULL. */
static const char *weakness(const struct rp_group *group) {
    if (!group->news)
        return "the new server is on another address, so what arrives here cannot be sent to it";
    if (group->others)
        return "somebody else has sockets there too, so the new ones cannot be told apart";
    if (group->olds > group->news && group->like.proto == RP_TCP)
        return "the old server has more sockets than the new one, so a connection may still reach "
               "it while it ends";
    return NULL;
}

static int send_to_new(struct replacement *this) {
    rp_step(false, "sending new connections to the new server");
    rp_handover_count(&this->handover);
    for (size_t i = 0; i < this->handover.count; i++) {
        const struct rp_group *group = &this->handover.groups[i];
        const char *why = weakness(group);
        char text[RP_SOCKET_TEXT];
        if (!why) continue;
        rp_socket_text(&group->like, text);
        const bool safe = migrates() && group->news && group->like.proto == RP_TCP;
        if (this->options.strict && !safe) return undo(this, "--strict: %s: %s", text, why);
        rp_steps_end();
        rp_warn("replace: %s: %s; %s", text, why,
                safe ? "net.ipv4.tcp_migrate_req is 1, so none is lost"
                     : "what waits there when the old server ends is reset "
                       "(net.ipv4.tcp_migrate_req is 0)");
    }
    const int error = rp_handover_steer(&this->handover, RP_TO_NEW);
    if (error) return undo(this, "the group could not be steered: %s", strerror(error));
    return 0;
}

/* Until nothing waits for the old server to accept it: neither in its queues, nor in the midst of accept(2), nor
 * in a handshake that began before the change and reaches a queue a round trip later. */
static int wait_for_queues(struct replacement *this) {
    struct rp_sockets unsettled = {NULL, 0, 0};
    unsigned long waiting = 0, under_way = 0;
    const double begin = rp_now();
    int quiet = 0;
    rp_handover_unsettled(&this->handover, &unsettled);
    rp_step(false, "waiting for what the old server still has to accept");
    for (; quiet < SETTLE / RP_TICK && !old_has_ended(this); rp_tick()) {
        waiting = rp_handover_waiting(&this->handover, false);
        under_way = rp_handover_still_unsettled(&this->handover, &unsettled);
        quiet = waiting || under_way ? 0 : quiet + 1;
        rp_step(true, "%lu connections wait for the old server, %lu are under way, %.0f s", waiting,
                under_way, rp_now() - begin);
        if (interrupted || rp_successor_is_lost(&this->successor)) break;
        if (rp_now() - begin > (double)this->options.drain + 1 && !quiet) break;
    }
    rp_sockets_free(&unsettled);
    if (interrupted) return undo(this, "interrupted");
    if (rp_successor_is_lost(&this->successor)) return give_up_lost(this, "");
    if (quiet || old_has_ended(this)) return 0;
    if (this->options.strict)
        return undo(this,
                    "--strict: %lu connections still wait for the old server, %lu are under way",
                    waiting, under_way);
    rp_steps_end();
    rp_warn("replace: %lu connections that still wait for the old server, and %lu under way, will "
            "be reset",
            waiting, under_way);
    return 0;
}

static int wait_for_connections(struct replacement *this, unsigned long *left) {
    const double begin = rp_now();
    rp_step(false, "waiting for the old server's connections");
    for (;; rp_tick()) {
        *left = rp_handover_connections(&this->handover, false);
        rp_step(true, "%lu connections left, %.0f s", *left, rp_now() - begin);
        if (interrupted) return undo(this, "interrupted");
        if (rp_successor_is_lost(&this->successor)) return give_up_lost(this, "");
        if (!*left || old_has_ended(this) || rp_now() - begin >= (double)this->options.drain)
            return 0;
    }
}

/* Waits for the end of PID and of its sockets, which a descendant may keep. Once those are gone the new
 * server is left to the kernel's own choice. */
static bool wait_for_end(struct replacement *this, long seconds) {
    for (double end = rp_now() + (double)seconds;; rp_tick()) {
        const bool holds = rp_handover_still_holds(&this->handover, &this->olds);
        if (!holds) rp_handover_release(&this->handover);
        if (!holds && old_has_ended(this)) return true;
        if (rp_now() > end) return false;
    }
}

static bool stop_old(struct replacement *this) {
    rp_step(false, "signalling pid %d", (int)this->options.pid);
    rp_handover_steer(&this->handover, RP_TO_FIRST);
    syscall(SYS_pidfd_send_signal, this->pidfd, this->options.signal_number, NULL, 0);
    if (wait_for_end(this, this->options.stop_timeout)) return true;
    if (this->options.kill) {
        syscall(SYS_pidfd_send_signal, this->pidfd, SIGKILL, NULL, 0);
        if (wait_for_end(this, this->options.stop_timeout)) return true;
    }
    rp_handover_steer(&this->handover, RP_TO_NEW); /* if it still listens: to all of the new ones */
    return false;
}

/* The last look before the old server is signalled: the new one is to be there still. */
static int look_again(struct replacement *this) {
    rp_handover_count(&this->handover);
    if (old_has_ended(this) || rp_handover_is_up(&this->handover, 1, true)) return 0;
    return undo(this, "%s no longer listens", this->options.copies.arguments[0]);
}

static void report(struct replacement *this, unsigned long left) {
    char name[RP_NAME_SIZE], text[RP_SOCKET_TEXT];
    const pid_t pid = rp_successor_pid(&this->successor);
    printf("pid %d (%s) has replaced pid %d on", (int)pid, rp_process_name(pid, name),
           (int)this->options.pid);
    for (size_t i = 0; i < this->handover.count; i++)
        printf("%s %s", i ? "," : "", rp_socket_text(&this->handover.groups[i].like, text));
    if (left) printf("; %lu connections were left to the old server when it was signalled", left);
    putchar('\n');
    fflush(stdout);
}

/* But for those that this command was started with ignored, as under nohup(1), and the new server, too. */
static void watch_signals(void) {
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    const struct sigaction action = {.sa_handler = interrupt};
    signal(SIGCHLD, SIG_DFL); /* inherited as ignored, it would hide how COMMAND ended */
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
        struct sigaction before;
        sigaction(signals[i], NULL, &before);
        if (before.sa_handler != SIG_IGN) sigaction(signals[i], &action, NULL);
    }
}

int rp_cmd_replace(int argc, char **argv) {
    struct replacement this = {.pidfd = -1};
    static struct rp_launch launch;
    unsigned long left = 0;
    parse_options(argc, argv, &this.options);
    find_old(&this);
    set_ports(&this);
    launch.config = rp_launch_check_settings(false);
    int status = rp_launch_prepare(this.options.library, this.options.copies.arguments[0],
                                   this.options.method, &launch);
    if (status) return status;
    this.options.copies.launch = &launch;
    watch_signals();
    adopt_all(&this);
    status = clear_way(&this);
    if (!status) status = start(&this);
    if (!status) status = wait_until_up(&this);
    if (!status) status = send_to_new(&this);
    if (!status) status = wait_for_queues(&this);
    if (!status) status = wait_for_connections(&this, &left);
    if (!status) status = look_again(&this);
    if (status) return status;
    const bool stopped = stop_old(&this);
    rp_steps_end();
    report(&this, left);
    if (!stopped)
        rp_die("replace: pid %d has been signalled and did not end within %ld seconds; it gets no "
               "new connections",
               (int)this.options.pid, this.options.stop_timeout);
    return this.options.foreground ? rp_successor_stay(&this.successor) : 0;
}

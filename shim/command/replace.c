/* SPDX-License-Identifier: MIT */
/* reuseport replace: a new server takes over a running one's ports without losing a connection. */
#include "base/die.h"
#include "base/progress.h"
#include "command/command.h"
#include "command/rehearse.h"
#include "command/replace_options.h"
#include "handover/arrival.h"
#include "handover/clients.h"
#include "handover/departure.h"
#include "handover/doubts.h"
#include "handover/origin.h"
#include "handover/output.h"
#include "handover/readiness.h"
#include "handover/transfer.h"
#include "inspect/lock.h"
#include "inspect/option.h"
#include "inspect/pidfd.h"
#include "inspect/place.h"
#include "inspect/process.h"
#include "inspect/rights.h"
#include "launch/environment.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Opens the old server, or exits with 125 if it cannot be replaced. */
static void open_old(struct rp_replacement *this, pid_t pid) {
    this->pid = pid;
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
    /* The PID was that of the pidfd's process if that has not ended since. */
    if (!rp_server_plant(&this->servers.old, pid) || rp_old_has_ended(this))
        rp_die("replace: %d: %s", (int)pid, rp_missing_reason(pid));
}

/* Finds what the old server holds, or exits with 125. */
static void find_held(struct rp_replacement *this, const char *ports) {
    struct rp_ports list = {.count = 0};
    char bad[RP_ENTRY_SIZE];
    const char *wrong = ports ? rp_ports_parse(&list, ports, bad) : NULL;
    if (wrong) rp_die("-p: \"%s\": %s", bad, wrong);
    rp_server_find(&this->servers.old, &list, &this->held);
    rp_sockets_sort(&this->held);
    const bool left_out = !ports && rp_clients_leave_out(&this->held);
    if (!this->held.count)
        rp_die("replace: pid %d and its descendants hold no%s port that this process may see",
               (int)this->pid,
               ports      ? " such"
               : left_out ? " other"
                          : "");
    rp_groups_make(&this->groups, &this->held);
    this->groups.left_alone = this->plan->no_steer;
}

/* "80/tcp,53/udp": what COMMAND is to share; static. */
static const char *list_ports(const struct rp_sockets *held) {
    static char list[RP_ENTRIES_MAX * 16];
    size_t length = 0;
    unsigned entries = 0;
    for (size_t i = 0; i < held->count; i++) {
        const struct rp_socket *socket = &held->list[i];
        if (i && socket->local.port == socket[-1].local.port && socket->proto == socket[-1].proto)
            continue;
        if (++entries > RP_ENTRIES_MAX) rp_die("replace: more than 64 ports; choose with -p");
        length +=
            (size_t)snprintf(list + length, sizeof(list) - length, "%s%u/%s", length ? "," : "",
                             socket->local.port, socket->proto == RP_TCP ? "tcp" : "udp");
    }
    return list;
}

/* COMMAND shares those ports at bind, with SO_REUSEADDR for connections in TIME_WAIT. Returns 0 or
 * an exit status. */
static int prepare(const struct rp_replace_options *options, const struct rp_sockets *held,
                   struct rp_launch *launch) {
    launch->command = options->plan.copies.arguments[0];
    launch->list = list_ports(held);
    launch->library = options->library;
    launch->wanted = options->method;
    rp_question_note_environment();
    rp_set_variable("REUSEPORT_AT", "bind");
    rp_set_variable("REUSEPORT_REUSEADDR", "1");
    return rp_launch_prepare(launch);
}

/* Exits with 125 if an option cannot work in the unit. */
static void check_unit(const struct rp_replacement *this, const struct rp_unit *unit,
                       bool foreground) {
    char watchdog[RP_VALUE_SIZE];
    if (!unit->is_ours) return;
    if (foreground) rp_die("replace: --foreground: the reload of %s would never end", unit->name);
    if (this->plan->ready.by == RP_READY_NOTIFY &&
        rp_process_variable(this->pid, "WATCHDOG_USEC", watchdog))
        rp_die("replace: --ready=notify: %s has a watchdog, which would not hear COMMAND after the "
               "replacement; choose another --ready",
               unit->name);
}

/* Opens what COMMAND writes to, or exits with 125. */
static void open_output(struct rp_replacement *this, const struct rp_replace_options *options) {
    if (!options->output && !options->foreground) rp_output_warn();
    if (!options->output) return;
    int error;
    if (options->dry_run) {
        error = rp_output_try(options->output);
    } else {
        this->successor.output = rp_output_open(options->output);
        error = this->successor.output < 0 ? errno : 0;
    }
    if (error) rp_die("replace: %s: %s", options->output, strerror(error));
}

/* Keeps others from replacing the new server before it is alone. */
static void lock_new(struct rp_replacement *this) {
    struct rp_process new;
    if (rp_process_find(rp_successor_pid(&this->successor), &new, NULL)) rp_lock(&new);
}

/* Returns 0 once COMMAND listens, else 125. */
static int start_new(struct rp_replacement *this) {
    rp_adopt_all(this);
    int status = rp_clear_way(this);
    if (!status) status = rp_start_new(this);
    if (!status) status = rp_wait_until_up(this);
    if (status) return status;
    lock_new(this);
    return rp_wait_until_ready(this);
}

/* Returns 0 once the old server can be signalled, else 125. *left: how many connections it has. */
static int hand_over(struct rp_replacement *this, unsigned long *left) {
    rp_watch_interrupts();
    int status = this->successor.given ? rp_transfer_begin(this) : start_new(this);
    if (!status) status = rp_send_to_new(this);
    if (!status) status = rp_transfer_verify(this);
    if (!status) status = rp_wait_for_queues(this);
    if (!status) status = rp_wait_for_connections(this, left);
    if (!status) status = rp_check_new(this);
    return status;
}

static void report(struct rp_replacement *this, unsigned long left) {
    struct rp_process process = {0, 0};
    char name[RP_NAME_SIZE], text[RP_SOCKET_TEXT];
    const pid_t pid = rp_successor_pid(&this->successor);
    rp_process_find(pid, &process, NULL);
    printf("pid %d (%s) has replaced pid %d on", (int)pid, rp_process_name(&process, name),
           (int)this->pid);
    for (size_t i = 0; i < this->groups.count; i++)
        printf("%s %s", i ? "," : "", rp_socket_text(&this->groups.list[i].like, text));
    if (left) printf("; connections left to the old server when it was signalled: %lu", left);
    putchar('\n');
    fflush(stdout);
}

/* Says that the old server has not ended, and exits with 125. */
static void report_alive(const struct rp_replacement *this) __attribute__((noreturn));

static void report_alive(const struct rp_replacement *this) {
    bool steered = true;
    for (size_t i = 0; i < this->groups.count; i++)
        steered = steered && this->groups.list[i].way != RP_BY_HASH;
    rp_die("replace: pid %d has been signalled and did not end within %ld seconds; it %s new "
           "connections",
           (int)this->pid, this->plan->stop_timeout, steered ? "gets no" : "may still get");
}

int rp_cmd_replace(int argc, char **argv) {
    static struct rp_launch launch;
    struct rp_replace_options options;
    struct rp_replacement this = {.plan = &options.plan};
    struct rp_unit unit;
    unsigned long left = 0;
    rp_parse_replace(argc, argv, &options);
    open_old(&this, options.pid);
    find_held(&this, options.ports);
    rp_doubt_alone(&this);
    if (options.to) rp_transfer_open(&this, options.to);
    if (options.dry_run) rp_lock_leave();
    rp_doubt_steering(&this);
    rp_origin_check(&this, options.force_init, &unit);
    check_unit(&this, &unit, options.foreground);
    int status = options.to ? 0 : prepare(&options, &this.held, &launch);
    if (status) return status;
    options.plan.copies.launch = &launch;
    if (!options.to) open_output(&this, &options);
    if (options.dry_run) return rp_rehearse(&this, &options);
    rp_unit_prepare(&unit, this.pid);
    options.plan.copies.notify = rp_open_notify(&this);
    status = hand_over(&this, &left);
    if (!status) status = rp_unit_hand_on(&unit, &this);
    if (status) return status;
    const bool stopped = rp_stop_old(&this);
    rp_steward_leave(this.steward);
    rp_lock_leave();
    rp_close_notify(&this);
    rp_steps_end();
    report(&this, left);
    if (!stopped) report_alive(&this);
    return options.foreground ? rp_successor_stay(&this.successor) : 0;
}

/* SPDX-License-Identifier: MIT */
/* Each line is a step, in the order of command/replace. */
#include "command/rehearse.h"

#include "base/die.h"
#include "handover/arrival.h"
#include "handover/steer.h"
#include "handover/transfer.h"
#include "inspect/option.h"
#include "inspect/rights.h"
#include "look/traffic.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* How many of the old server's sockets do not share their port yet. Exits with 125 if that cannot
 * be read of one, as then it could not be changed either. */
static size_t count_alone(const struct rp_replacement *this) {
    size_t count = 0;
    for (size_t i = 0; i < this->held.count; i++) {
        bool shares = false;
        const int error = rp_option_read(&this->held.list[i], &shares);
        if (error && !rp_shares_already(&this->held.list[i]))
            rp_refuse_socket(this, &this->held.list[i], error);
        count += !error && !shares;
    }
    return count;
}

static void print_server(const struct rp_replacement *this) {
    struct rp_process process = {0, 0};
    char name[RP_NAME_SIZE], text[RP_SOCKET_TEXT];
    rp_process_find(this->pid, &process, NULL);
    printf("would replace pid %d (%s) on", (int)this->pid, rp_process_name(&process, name));
    for (size_t i = 0; i < this->groups.count; i++)
        printf("%s %s", i ? "," : "", rp_socket_text(&this->groups.list[i].like, text));
    putchar('\n');
}

static void print_start(const struct rp_plan *plan) {
    static const char *const ready[] = {"", " and says READY=1",
                                        " and --ready's command line ends with 0"};
    char command[256];
    const struct rp_launch *launch = plan->copies.launch;
    snprintf(command, sizeof(command), "%s", plan->copies.arguments[0]);
    printf("would start ");
    if (plan->copies.count) printf("%d copies of ", plan->copies.count);
    printf("%s, sharing %s by -m %s\n", rp_make_plain(command), launch->list,
           launch->method == RP_PRELOAD ? "preload" : "seccomp");
    printf("would wait at most %ld s until it listens there%s\n", plan->start_timeout,
           ready[plan->ready.by]);
}

static void print_end(const struct rp_replacement *this) {
    const struct rp_plan *plan = this->plan;
    if (!plan->no_steer)
        printf("would send new connections to %s alone\n",
               this->successor.given ? plan->copies.arguments[0] : "it");
    printf("would wait at most %ld s for connections of pid %d to end; now: %lu\n", plan->drain,
           (int)this->pid, rp_connections(&this->look, RP_OLD));
    printf("would send signal %d (%s) to pid %d and wait at most %ld s for its end%s\n",
           plan->signal_number, strsignal(plan->signal_number), (int)this->pid, plan->stop_timeout,
           plan->kill ? ", then send KILL" : "");
}

/* Whether a program can be attached to the group: through a member, or by a visit. */
static bool can_be_steered(const struct rp_group *group, const struct rp_look *look) {
    static const enum rp_side sides[] = {RP_OLD, RP_NEW};
    for (int i = 0; i < 2; i++) {
        const struct rp_sockets *sockets = &look->of[sides[i]];
        for (size_t j = 0; j < sockets->count; j++) {
            bool unused;
            if (rp_is_same_group(&group->like, &sockets->list[j]) &&
                !rp_option_read(&sockets->list[j], &unused))
                return true;
        }
    }
    return group->like.proto == RP_TCP && rp_shares_already(&group->like);
}

/* Refuses where the transfer would be undone as it cannot steer. It does not try where a group has
 * a weakness. */
static void check_steering(const struct rp_replacement *this) {
    for (size_t i = 0; i < this->groups.count && !this->plan->no_steer; i++) {
        const struct rp_group *group = &this->groups.list[i];
        if (rp_group_weakness(group, &this->look) || can_be_steered(group, &this->look)) continue;
        const bool privileged = rp_is_privileged_port(group->like.local.port);
        rp_die("replace: " RP_NOT_STEERED,
               rp_steer_reason(&this->groups, privileged ? EACCES : EPERM));
    }
}

/* Both servers run already, so all checks can be made. */
static int rehearse_transfer(struct rp_replacement *this) {
    rp_transfer_rehearse(this);
    check_steering(this);
    rp_replacement_look(this, RP_CONNECTED);
    print_server(this);
    printf("would wait at most %ld s until %s listens there\n", this->plan->start_timeout,
           this->plan->copies.arguments[0]);
    print_end(this);
    puts("nothing has been changed");
    return fflush(stdout) ? RP_FAILED : 0;
}

int rp_rehearse(struct rp_replacement *this, const struct rp_replace_options *options) {
    if (options->to) return rehearse_transfer(this);
    const size_t alone = count_alone(this);
    rp_replacement_look(this, RP_CONNECTED | RP_HOLDING);
    print_server(this);
    printf("would switch SO_REUSEPORT on in %zu of its %zu sockets\n", alone, this->held.count);
    if (alone && rp_passing(&this->look))
        printf("would wait at most 65 s for connections that block a bind, unless both servers set "
               "SO_REUSEADDR; now: %lu\n",
               rp_passing(&this->look));
    print_start(this->plan);
    print_end(this);
    if (options->foreground) puts("would stay until the new server ends");
    puts(
        "nothing has been changed; whether the new server comes up, and on which addresses, is not "
        "known beforehand");
    return fflush(stdout) ? RP_FAILED : 0;
}

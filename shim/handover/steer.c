/* SPDX-License-Identifier: MIT */
/* From a way to a program on each group. */
#include "handover/steer.h"

#include "base/die.h"
#include "group/program.h"
#include "group/steer.h"
#include "inspect/rights.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Through the new server's members first: those of the old one are about to leave. */
static int set_program(const struct rp_group *group, const struct rp_look *look,
                       const struct sock_fprog *program, bool visit) {
    int error = rp_group_steer(&group->like, &look->of[RP_NEW], program);
    if (error) error = rp_group_steer(&group->like, &look->of[RP_OLD], program);
    if (!error || group->like.proto != RP_TCP || (error == EINVAL && !visit)) return error;
    return rp_group_visit(&group->like, program);
}

/* Steers one group; where its members' numbers are unknown, ends steering. */
static int steer(struct rp_group *group, const struct rp_look *look, enum rp_way way, bool visit) {
    struct sock_fprog program;
    const bool was_steered = group->way != RP_BY_HASH;
    bool *chosen = calloc(group->members.count + 1, sizeof(*chosen));
    if (!chosen) rp_die("%s", strerror(errno));
    struct rp_exception exception;
    const struct rp_choice choice = {.proto = group->like.proto,
                                     .chosen = chosen,
                                     .count = group->members.count,
                                     .exceptions = &exception,
                                     .exception_count = rp_group_except(group, &exception)};
    const bool made =
        rp_group_choose(group, look, way, chosen) && rp_program_make(&choice, &program);
    free(chosen);
    if (!made && !was_steered) return 0;
    if (made && group->noted) *group->noted = true; /* before: we may be killed right after */
    const int error = set_program(group, look, made ? &program : NULL, visit || was_steered);
    if (made) free(program.filter);
    if (!error) group->way = made ? way : RP_BY_HASH;
    if (group->noted) *group->noted = group->way != RP_BY_HASH;
    return error;
}

int rp_groups_steer(struct rp_groups *groups, const struct rp_look *look, enum rp_way way,
                    bool visit) {
    int last = 0;
    if (groups->left_alone) return 0;
    for (size_t i = 0; i < groups->count; i++) {
        const int error = steer(&groups->list[i], look, way, visit);
        if (error) last = error;
    }
    return last;
}

const char *rp_steer_reason(const struct rp_groups *groups, int error) {
    for (size_t i = 0; i < groups->count && error == EACCES; i++)
        if (rp_is_privileged_port(groups->list[i].like.local.port))
            return "steering requires CAP_NET_BIND_SERVICE for a port below "
                   "net.ipv4.ip_unprivileged_port_start, or descriptors of the servers "
                   "(pidfd_getfd(2))";
    return strerror(error);
}

void rp_groups_renew(struct rp_groups *groups, const struct rp_look *look, enum rp_way way) {
    for (size_t i = 0; i < groups->count && !groups->left_alone; i++)
        if (groups->list[i].changed || groups->list[i].way != way)
            steer(&groups->list[i], look, way, false);
}

void rp_groups_hide(const struct rp_groups *groups, const struct rp_sockets *leaving,
                    const struct rp_tree *tree) {
    for (size_t i = 0; i < leaving->count; i++) {
        const struct rp_socket *socket = &leaving->list[i];
        const struct rp_group *group =
            rp_is_receiver(socket) ? rp_groups_find(groups, socket) : NULL;
        bool known = socket->owner_count > 0;
        for (size_t j = 0; j < socket->owner_count; j++)
            known = known && rp_tree_has(tree, &socket->owners[j].process);
        if (known && group && group->way != RP_BY_HASH && !group->guessed &&
            socket->proto == RP_TCP)
            rp_group_hide(socket);
    }
}

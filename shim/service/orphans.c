/* SPDX-License-Identifier: MIT */
/* Nobody else's children can be this process's: it has gone apart from strangers (launch/apart). */
#include "service/orphans.h"

#include "inspect/process.h"

#include <signal.h>

enum { CHILDREN_MAX = 8192 }; /* as many keepers as there may be, and as many others */

static bool is_known(const struct rp_service *service, pid_t pid) {
    for (int i = 0; i < service->slots; i++)
        if (service->list[i].keeper == pid || service->list[i].question.pid == pid) return true;
    return false;
}

bool rp_orphans_kill(const struct rp_service *service) {
    static pid_t children[CHILDREN_MAX];
    const int found = rp_process_children(children, CHILDREN_MAX);
    bool wait = false;
    for (int i = 0; i < found; i++)
        if (!is_known(service, children[i])) wait = !kill(children[i], SIGKILL) || wait;
    return wait;
}

/* SPDX-License-Identifier: MIT */
/* What control groups tell of units: a manager is in ROOT/init.scope, its units are in
 * ROOT/.../NAME.service, and what such a unit delegates is below that. */
#include "handover/unit.h"

#include "base/progress.h"
#include "handover/control.h"
#include "inspect/place.h"
#include "launch/environment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char scope[] = "/init.scope", service[] = ".service";
enum { SCOPE = sizeof(scope) - 1, SERVICE = sizeof(service) - 1 };

/* A manager's root, and the path of one of its units. */
struct place {
    char root[RP_CGROUP_SIZE], unit[RP_CGROUP_SIZE];
};

static bool find_root(pid_t pid, char root[RP_CGROUP_SIZE]) {
    const size_t length = strlen(rp_process_cgroup(pid, root));
    if (length < SCOPE || strcmp(root + length - SCOPE, scope) != 0) return false;
    root[length - SCOPE] = '\0';
    return true;
}

bool rp_unit_is_manager(pid_t pid) {
    char root[RP_CGROUP_SIZE];
    return find_root(pid, root);
}

/* The path of the unit that the process is in, up to the unit's name. */
static bool find_path(pid_t pid, const char *root, char path[RP_CGROUP_SIZE]) {
    const size_t length = strlen(root);
    rp_process_cgroup(pid, path);
    if (strncmp(path, root, length) != 0 || path[length] != '/') return false;
    for (char *end = path + length; (end = strstr(end, service)); end += SERVICE)
        if (!end[SERVICE] || end[SERVICE] == '/') {
            end[SERVICE] = '\0';
            return true;
        }
    return false;
}

static bool is_in(const void *context, pid_t pid) {
    const struct place *place = context;
    char path[RP_CGROUP_SIZE];
    return find_path(pid, place->root, path) && !strcmp(path, place->unit);
}

/* The nearest manager above the process, or 0. An ancestor that /proc hides (ProtectProc= of
 * systemd.exec(5)) is taken for the system's: a user's manager is visible to its own units. */
static pid_t find_manager(pid_t pid, char root[RP_CGROUP_SIZE]) {
    struct rp_process process;
    struct rp_status status;
    for (int depth = 0; depth < 1000 && rp_process_find(pid, &process, &status); depth++) {
        pid = status.parent;
        if (pid <= 0 || find_root(pid, root)) return pid;
    }
    *root = '\0';
    return pid;
}

/* What MAINPID says, if it is a process of this unit. */
static pid_t named_main(const struct place *place) {
    const char *text = getenv("MAINPID");
    char *end;
    const long pid = text ? strtol(text, &end, 10) : 0;
    if (pid <= 0 || pid > 1 << 22 || *end) return 0;
    return is_in(place, (pid_t)pid) ? (pid_t)pid : 0;
}

static bool is_main(pid_t pid, pid_t manager, const struct place *place, bool is_ours) {
    struct rp_process process;
    struct rp_status status;
    const pid_t named = is_ours ? named_main(place) : 0;
    if (named) return named == pid;
    return rp_process_find(pid, &process, &status) && status.parent == manager &&
           !rp_process_has_elder(&process, manager, is_in, place);
}

void rp_unit_find(pid_t pid, struct rp_unit *unit) {
    struct place place;
    *unit = (struct rp_unit){.channel = -1};
    const pid_t manager = find_manager(pid, place.root);
    const bool found = manager > 0 && find_path(pid, place.root, place.unit);
    const bool is_ours = found && is_in(&place, getpid());
    if (found && is_main(pid, manager, &place, is_ours)) {
        snprintf(unit->name, sizeof(unit->name), "%s", strrchr(place.unit, '/') + 1);
        unit->is_ours = is_ours && getenv("NOTIFY_SOCKET");
    }
    unsetenv("MAINPID");
    if (!unit->is_ours) unsetenv("NOTIFY_SOCKET");
}

/* systemd sets WATCHDOG_USEC only for the main process that it starts itself, and ends a unit whose
 * main process does not answer the watchdog. */
static void pass_watchdog_on(pid_t old) {
    char value[RP_VALUE_SIZE];
    if (rp_process_variable(old, "WATCHDOG_USEC", value)) rp_set_variable("WATCHDOG_USEC", value);
    unsetenv("WATCHDOG_PID");
}

void rp_unit_prepare(struct rp_unit *unit, pid_t old) {
    if (!unit->is_ours) return;
    pass_watchdog_on(old);
    unit->channel = rp_control_split(getenv("NOTIFY_SOCKET"), old);
}

int rp_unit_hand_on(const struct rp_unit *unit, struct rp_replacement *replacement) {
    if (unit->channel < 0) return 0;
    rp_step(false, "telling systemd of the new main process of %s", unit->name);
    const pid_t pid = rp_successor_pid(&replacement->successor);
    const int error = pid > 0 ? rp_control_tell(unit->channel, pid) : ESRCH;
    if (!error && !rp_is_interrupted()) return 0;
    rp_control_tell(unit->channel, replacement->pid);
    if (!error) return rp_undo(replacement, "interrupted");
    return rp_undo(replacement, "systemd cannot be told of the new main process of %s: %s",
                   unit->name, strerror(error));
}

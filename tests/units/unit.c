/* SPDX-License-Identifier: MIT */
/* handover/unit: whose main process a process is, by its control group and by what the manager has
 * said. This process stands for the manager; files are mounted over what /proc tells of control
 * groups, in a mount namespace of its own. Prints what is not as it should be, and how many checks
 * were made. */
#include "handover/unit.h"
#include "check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MANAGER, ELDER, SERVER, CALLER, ALL };

#define APP "/system.slice/app.service"

/* The control groups, by role, what the caller's environment has, and what it is to find out. */
struct scene {
    const char *groups[ALL];
    const char *main; /* "s", "e": that process; else what stands there */
    const char *name; /* that is found */
    bool told;        /* by NOTIFY_SOCKET where to */
    bool is_ours;
};

static const struct scene scenes[] = {
    {{"/init.scope", "/a.service", APP, APP}, NULL, "app.service", true, true},
    {{"/x/init.scope", "/a.service", "/x" APP, "/x" APP}, NULL, "app.service", true, true},
    /* another place, or one that begins alike */
    {{"/x/init.scope", "/a.service", "/y" APP, "/y" APP}, NULL, "", true, false},
    {{"/x/init.scope", "/a.service", "/xx" APP, "/xx" APP}, NULL, "", true, false},
    /* no manager */
    {{"/x/init.scopes", "/a.service", "/x" APP, "/x" APP}, NULL, "", true, false},
    {{"/xinit.scope", "/a.service", "/x" APP, "/x" APP}, NULL, "", true, false},
    {{"/x", "/a.service", "/x" APP, "/x" APP}, NULL, "", true, false},
    /* names */
    {{"/init.scope", "/a.service", APP "/sub", APP}, NULL, "app.service", true, true},
    {{"/init.scope", "/a.service", APP "s", APP "s"}, NULL, "", true, false},
    {{"/init.scope", "/a.service", "/a.services/b.service", "/a"}, NULL, "b.service", true, false},
    {{"/init.scope", "/a.service", "/app.slice", "/app.slice"}, NULL, "", true, false},
    /* the caller is elsewhere, or has not been told where to write */
    {{"/init.scope", "/a.service", APP, "/b.service"}, NULL, "app.service", true, false},
    {{"/init.scope", "/a.service", APP, "/b.service"}, "e", "app.service", true, false},
    {{"/init.scope", "/a.service", APP, APP}, NULL, "app.service", false, false},
    /* the unit's first process goes before, but for the one that is named */
    {{"/init.scope", APP, APP, APP}, NULL, "", true, false},
    {{"/init.scope", APP, APP, APP}, "s", "app.service", true, true},
    {{"/init.scope", APP, APP, APP}, "e", "", true, false},
    {{"/init.scope", "/a.service", APP, APP}, "e", "app.service", true, true},
    {{"/init.scope", "/a.service", APP, APP}, "1 x", "app.service", true, true},
    {{"/init.scope", "/a.service", APP, APP}, "0", "app.service", true, true},
    {{"/init.scope", "/a.service", APP, APP}, "-7", "app.service", true, true},
    {{"/init.scope", "/a.service", APP, APP}, "4194305", "app.service", true, true},
};

static pid_t sleeper(void) {
    const pid_t child = fork();
    if (child) return child;
    alarm(60);
    for (;;) pause();
}

/* A process whose start time, in hundredths of a second, is a later one. */
static pid_t younger(pid_t elder) {
    struct rp_process before = {.start = 0}, after = before;
    rp_process_find(elder, &before, NULL);
    for (;;) {
        const pid_t pid = sleeper();
        rp_process_find(pid, &after, NULL);
        if (after.start > before.start) return pid;
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
}

/* Has /proc say that the process is in that control group. */
static void put(pid_t pid, const char *group, const char *folder) {
    char file[512], path[64];
    snprintf(file, sizeof(file), "%s/%d", folder, (int)pid);
    snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
    FILE *out = fopen(file, "w");
    if (!out || fprintf(out, "1:name=systemd:/elsewhere\n0::%s\n", group) < 0 || fclose(out) ||
        mount(file, path, NULL, MS_BIND, NULL)) {
        perror(path);
        exit(2);
    }
}

static void take_away(pid_t pid) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
    umount(path);
}

/* In the caller: whether all is as it should be. */
static bool is_found(const struct scene *scene, const pid_t *pids) {
    char number[16];
    struct rp_unit unit;
    const char *named = scene->main;
    if (named && strchr("es", *named)) {
        snprintf(number, sizeof(number), "%d", (int)pids[*named == 'e' ? ELDER : SERVER]);
        named = number;
    }
    if (named) setenv("MAINPID", named, 1);
    if (scene->told) setenv("NOTIFY_SOCKET", "/nowhere", 1);
    rp_unit_find(pids[SERVER], &unit);
    return !strcmp(unit.name, scene->name) && unit.is_ours == scene->is_ours &&
           unit.channel == -1 && !getenv("MAINPID") &&
           (getenv("NOTIFY_SOCKET") != NULL) == scene->is_ours;
}

static void check_scene(const struct scene *scene, pid_t *pids, const char *folder) {
    int go[2], status = 0;
    char byte, what[64];
    if (pipe(go)) exit(2);
    pids[CALLER] = fork();
    if (!pids[CALLER]) _exit(read(go[0], &byte, 1) == 1 && is_found(scene, pids) ? 0 : 1);
    for (int i = 0; i < ALL; i++) put(pids[i], scene->groups[i], folder);
    if (write(go[1], "", 1) != 1) exit(2);
    waitpid(pids[CALLER], &status, 0);
    snprintf(what, sizeof(what), "scene %zu", (size_t)(scene - scenes));
    check(WIFEXITED(status) && !WEXITSTATUS(status), what);
    for (int i = 0; i < CALLER; i++) take_away(pids[i]);
    close(go[0]);
    close(go[1]);
}

/* usage: unit FOLDER, in a mount namespace of its own: writes there what /proc is to say. */
int main(int argc, char **argv) {
    unsetenv("MAINPID");
    unsetenv("NOTIFY_SOCKET");
    if (argc != 2) return 2;
    pid_t pids[ALL] = {getpid(), sleeper()};
    pids[SERVER] = younger(pids[ELDER]);
    for (size_t i = 0; i < sizeof(scenes) / sizeof(*scenes); i++)
        check_scene(&scenes[i], pids, argv[1]);
    put(getpid(), "/x/init.scope", argv[1]);
    check(rp_unit_is_manager(getpid()) && !rp_unit_is_manager(pids[SERVER]), "who is a manager");
    kill(pids[ELDER], SIGKILL);
    kill(pids[SERVER], SIGKILL);
    while (wait(NULL) > 0) {
    }
    printf("%u checks, %u failed\n", checks, failures);
    return failures > 0;
}

/* SPDX-License-Identifier: MIT */
/* A message that finds no room is composed anew and sent at the next turn. */
#include "service/manager.h"

#include "base/die.h"
#include "base/sd_notify.h"
#include "service/renewal.h"
#include "service/service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_PASSED = 3 /* SD_LISTEN_FDS_START */, PASSED_MAX = 1024, SLACK = 10 /* seconds */ };

/* The number that the variable is; -1 if it is none. */
static long number_in(const char *name) {
    const char *text = getenv(name);
    char *end;
    if (!text || *text < '0' || *text > '9') return -1;
    errno = 0;
    const long number = strtol(text, &end, 10);
    return *end || errno ? -1 : number;
}

/* The passed descriptors stay open in this process and are closed in COMMAND. */
static void keep_descriptors(void) {
    const long count = number_in("LISTEN_FDS");
    if (number_in("LISTEN_PID") != getpid()) return;
    for (int i = 0; i < count && i < PASSED_MAX; i++) fcntl(FIRST_PASSED + i, F_SETFD, FD_CLOEXEC);
}

/* Whoever set it ends the service if nobody answers. */
static void warn_of_watchdog(void) {
    const long pid = number_in("WATCHDOG_PID");
    if (number_in("WATCHDOG_USEC") > 0 && (pid < 0 || pid == getpid()))
        rp_warn("WATCHDOG_USEC: nobody sends WATCHDOG=1, so the manager will end this service; "
                "remove WatchdogSec= and use --hung");
}

const char *rp_manager_take(void) {
    static const char *const names[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC",  "WATCHDOG_PID",
                                        "LISTEN_FDS",    "LISTEN_FDNAMES", "LISTEN_PID"};
    const char *socket = getenv("NOTIFY_SOCKET");
    char *copy = socket && *socket ? strdup(socket) : NULL;
    if (socket && *socket && !copy) rp_die("%s", strerror(errno));
    keep_descriptors();
    warn_of_watchdog();
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) unsetenv(names[i]);
    return copy;
}

/* Returns false if it should be tried again. */
static bool say(struct rp_manager *manager, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool say(struct rp_manager *manager, const char *format, ...) {
    char text[256];
    bool sent;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (manager->relay < 0)
        sent = rp_notify_now(manager->socket, text, &manager->told);
    else
        sent = send(manager->relay, text, strlen(text), MSG_NOSIGNAL) >= 0 || errno != EAGAIN;
    manager->waits = manager->waits || !sent;
    return sent;
}

/* Whether all copies are ready that there should be, or at least those that there will be: one may
 * have ended for good. */
static bool are_ready(const struct rp_service *service) {
    const int ready = rp_count(service, RP_SERVING);
    const int others = rp_count(service, RP_STARTING) + rp_count(service, RP_WAITING) +
                       rp_count(service, RP_ENDING);
    return ready >= service->target || (ready && !others);
}

/* "3 of 4 copies ready, 1 starting; the last renewal failed". */
static void describe(const struct rp_service *service, char *text, size_t size) {
    int length = snprintf(text, size, "%d of %d copies ready", rp_count(service, RP_SERVING),
                          service->target);
    for (enum rp_state state = RP_STARTING; state < RP_STATES; state++) {
        const int count = state == RP_SERVING ? 0 : rp_count(service, state);
        if (count && length >= 0 && (size_t)length < size)
            length += snprintf(text + length, size - (size_t)length, ", %d %s", count,
                               rp_state_name(state));
    }
    if (service->manager.failed && length >= 0 && (size_t)length < size)
        snprintf(text + length, size - (size_t)length, "; the last renewal failed");
}

/* With Type=notify-reload, systemd compares the time with that of its signal. */
static bool say_reloading(struct rp_manager *manager) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return say(manager, "RELOADING=1\nMONOTONIC_USEC=%llu",
               (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000);
}

static void tell_renewal(struct rp_manager *manager) {
    if (manager->reloading) manager->reloading = !say_reloading(manager);
    if (manager->reloading) return;
    if (manager->extend && say(manager, "EXTEND_TIMEOUT_USEC=%ld000000", manager->extend))
        manager->extend = 0;
    if (manager->reloaded) manager->reloaded = !say(manager, "READY=1");
}

void rp_manager_tell(struct rp_service *service) {
    struct rp_manager *manager = &service->manager;
    char status[sizeof(manager->status)];
    if (!manager->socket) return;
    manager->waits = false;
    describe(service, status, sizeof(status));
    if (strcmp(status, manager->status) != 0 && say(manager, "STATUS=%s", status))
        memcpy(manager->status, status, sizeof(status));
    if (service->stopping && !manager->stopping) manager->stopping = say(manager, "STOPPING=1");
    if (!service->stopping && !manager->ready && are_ready(service))
        manager->ready = say(manager, "READY=1");
    if (!service->stopping && manager->ready) tell_renewal(manager);
}

void rp_manager_reloading(struct rp_service *service) {
    service->manager.reloading = true;
    service->manager.reloaded = service->manager.failed = false;
}

void rp_manager_reloaded(struct rp_service *service, bool failed) {
    service->manager.reloaded = true;
    service->manager.failed = failed;
    service->manager.extend = 0;
}

void rp_manager_extend(struct rp_service *service) {
    const struct rp_service_plan *plan = service->plan;
    const long leave = plan->stop_timeout > RP_LEAVE_TIME ? plan->stop_timeout : RP_LEAVE_TIME;
    service->manager.extend = plan->start_timeout + plan->drain + leave + SLACK;
}

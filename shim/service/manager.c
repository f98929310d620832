/* SPDX-License-Identifier: MIT */
/* A message that finds no room is sent again at the next occasion, as its text is made anew. */
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
#include <time.h>
#include <unistd.h>

enum { FIRST_PASSED = 3 /* SD_LISTEN_FDS_START */, PASSED_MAX = 1024, SLACK = 10 /* seconds */ };

/* The descriptors stay open here, where nobody knows of them, and are closed in COMMAND. */
static void keep_descriptors(void) {
    const char *count = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
    if (!count || !pid || atoi(pid) != (int)getpid()) return;
    for (int i = 0; i < atoi(count) && i < PASSED_MAX; i++)
        fcntl(FIRST_PASSED + i, F_SETFD, FD_CLOEXEC);
}

const char *rp_manager_take(void) {
    static const char *const names[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC",  "WATCHDOG_PID",
                                        "LISTEN_FDS",    "LISTEN_FDNAMES", "LISTEN_PID"};
    const char *socket = getenv("NOTIFY_SOCKET");
    char *copy = socket && *socket ? strdup(socket) : NULL;
    if (socket && *socket && !copy) rp_die("%s", strerror(errno));
    keep_descriptors();
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) unsetenv(names[i]);
    return copy;
}

/* Returns whether it was sent, or never can be. */
static bool say(const struct rp_manager *manager, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool say(const struct rp_manager *manager, const char *format, ...) {
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return rp_notify(manager->socket, text, 0) != ETIMEDOUT;
}

/* "3 of 4 copies ready, 1 starting". */
static void describe(const struct rp_service *service, char *text, size_t size) {
    int length = snprintf(text, size, "%d of %d copies ready", rp_count(service, RP_SERVING),
                          service->target);
    for (enum rp_state state = RP_STARTING; state < RP_STATES; state++) {
        const int count = state == RP_SERVING ? 0 : rp_count(service, state);
        if (count && length >= 0 && (size_t)length < size)
            length += snprintf(text + length, size - (size_t)length, ", %d %s", count,
                               rp_state_name(state));
    }
}

/* Type=notify-reload compares the time with that of its signal. */
static bool say_reloading(const struct rp_manager *manager) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return say(manager, "RELOADING=1\nMONOTONIC_USEC=%llu",
               (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000);
}

void rp_manager_tell(struct rp_service *service) {
    struct rp_manager *manager = &service->manager;
    char status[sizeof(manager->status)];
    if (!manager->socket) return;
    if (service->stopping && !manager->stopping) manager->stopping = say(manager, "STOPPING=1");
    if (!service->stopping && !manager->ready && rp_count(service, RP_SERVING) >= service->target)
        manager->ready = say(manager, "READY=1");
    if (manager->reloading) manager->reloading = !say_reloading(manager);
    if (manager->reloaded && !manager->reloading) manager->reloaded = !say(manager, "READY=1");
    describe(service, status, sizeof(status));
    if (strcmp(status, manager->status) != 0 && say(manager, "STATUS=%s", status))
        memcpy(manager->status, status, sizeof(status));
}

void rp_manager_reloading(struct rp_service *service) {
    service->manager.reloading = service->manager.socket;
}

void rp_manager_reloaded(struct rp_service *service) {
    service->manager.reloaded = service->manager.socket;
}

void rp_manager_extend(struct rp_service *service) {
    const struct rp_service_plan *plan = service->plan;
    const long step = plan->start_timeout + plan->drain + RP_LEAVE_TIME + SLACK;
    if (service->manager.socket) say(&service->manager, "EXTEND_TIMEOUT_USEC=%ld000000", step);
}

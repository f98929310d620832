/* SPDX-License-Identifier: MIT */
/* All transitions, in one table. */
#include "service/life.h"

#include <stddef.h>

static const struct {
    enum rp_state from;
    enum rp_event event;
    enum rp_state to;
} transitions[] = {
    {RP_ABSENT, RP_STARTED, RP_STARTING},  {RP_WAITING, RP_STARTED, RP_STARTING},
    {RP_STARTING, RP_CAME_UP, RP_SERVING},

    {RP_STARTING, RP_LEAVES, RP_DRAINING}, {RP_SERVING, RP_LEAVES, RP_DRAINING},
    {RP_WAITING, RP_LEAVES, RP_ABSENT},

    {RP_STARTING, RP_TOLD, RP_ENDING},     {RP_SERVING, RP_TOLD, RP_ENDING},
    {RP_DRAINING, RP_TOLD, RP_ENDING},     {RP_WAITING, RP_TOLD, RP_ABSENT},

    {RP_STARTING, RP_FELL, RP_WAITING},    {RP_SERVING, RP_FELL, RP_WAITING},
    {RP_ENDING, RP_FELL, RP_WAITING},

    {RP_STARTING, RP_GONE, RP_ABSENT},     {RP_SERVING, RP_GONE, RP_ABSENT},
    {RP_DRAINING, RP_GONE, RP_ABSENT},     {RP_ENDING, RP_GONE, RP_ABSENT},
};

enum rp_state rp_state_after(enum rp_state state, enum rp_event event) {
    for (size_t i = 0; i < sizeof(transitions) / sizeof(*transitions); i++)
        if (transitions[i].from == state && transitions[i].event == event) return transitions[i].to;
    return state;
}

double rp_restart_delay(double before, double *lived) {
    static const double least = 0.1, most = 30, long_life = 10;
    if (*lived >= long_life) {
        *lived = 0;
        return least;
    }
    return before <= 0 ? least : 2 * before < most ? 2 * before : most;
}

const char *rp_state_name(enum rp_state state) {
    static const char *const names[] = {"stopped",  "starting", "ready",
                                        "draining", "ending",   "restarting"};
    return names[state];
}

/* SPDX-License-Identifier: MIT */
/* The table of a copy's states, and the delay before a copy is started again. Prints what is not as
 * it should be, and how many checks were made. */
#include "service/life.h"
#include "check.h"

#include <stdbool.h>
#include <stdio.h>

/* Whether that delay follows, and the life begins anew or not. */
static bool is_delay(double before, double lived, double wanted, bool anew) {
    const double given = lived, delay = rp_restart_delay(before, &lived);
    return delay > wanted - 0.001 && delay < wanted + 0.001 && lived == (anew ? 0 : given);
}

static void check_delays(void) {
    const double wanted[] = {0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30};
    double before = 0;
    for (unsigned i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
        check(is_delay(before, 0.5, wanted[i], false), "the delay doubles from 0.1 s to 30 s");
        before = wanted[i];
    }
    check(is_delay(30, 9.9, 30, false), "less than 10 s of life change nothing");
    check(is_delay(30, 10, 0.1, true), "10 s of life begin anew");
    check(is_delay(0.2, 11, 0.1, true), "and so do more");
    check(is_delay(0, 11, 0.1, true), "also those of the first start");
}

/* Every end leads out of every state that has a process, and no state but those two has none. */
static void check_ends(void) {
    for (enum rp_state state = 0; state < RP_STATES; state++) {
        const bool lives = state != RP_ABSENT && state != RP_WAITING;
        check((rp_state_after(state, RP_GONE) == RP_ABSENT) == (lives || state == RP_ABSENT),
              "one that has gone for good is absent");
        check((rp_state_after(state, RP_TOLD) == RP_ENDING) == lives, "one that is told ends");
        check(lives || rp_state_after(state, RP_STARTED) == RP_STARTING, "who is not there starts");
        check(!lives || rp_state_after(state, RP_STARTED) == state, "who is there does not start");
        check((rp_state_after(state, RP_CAME_UP) == RP_SERVING) ==
                  (state == RP_STARTING || state == RP_SERVING),
              "only one that starts becomes ready");
    }
    check(rp_state_after(RP_WAITING, RP_TOLD) == RP_ABSENT, "one that waits need not end");
    check(rp_state_after(RP_WAITING, RP_LEAVES) == RP_ABSENT, "one that waits need not drain");
    check(rp_state_after(RP_SERVING, RP_LEAVES) == RP_DRAINING, "one that is ready drains");
    check(rp_state_after(RP_STARTING, RP_LEAVES) == RP_DRAINING,
          "so does one that may have clients");
    check(rp_state_after(RP_ENDING, RP_FELL) == RP_WAITING, "one that hung is started again");
}

int main(void) {
    check_delays();
    check_ends();
    printf("%u checks, %u failed\n", checks, failures);
    return failures != 0;
}

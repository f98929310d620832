/* SPDX-License-Identifier: MIT */
/* reuseport run: starts a command, or several copies of it, that share their ports. */
#include "base/die.h"
#include "command/command.h"
#include "command/run_options.h"

/* Which method is used, and if it is the second choice, why. */
static void tell_method(const struct rp_launch *launch) {
    const struct rp_finding *why = rp_preflight_hindrance(&launch->preflight, RP_PRELOAD);
    char text[RP_FINDING_TEXT];
    if (launch->method == RP_PRELOAD)
        rp_warn("%s: by preload", launch->command);
    else if (launch->wanted == RP_AUTO && why)
        rp_warn("%s: by seccomp; %s", launch->command,
                rp_finding_cause(&launch->preflight, why, text));
    else
        rp_warn("%s: by seccomp", launch->command);
}

int rp_cmd_run(int argc, char **argv) {
    static struct rp_launch launch;
    struct rp_service_plan plan;
    rp_parse_run(argc, argv, &launch, &plan);
    if (plan.copies.count) plan.manager = rp_manager_take();
    if (plan.ready.by == RP_READY_ANSWER) rp_question_note_environment();
    const int status = rp_launch_prepare(&launch);
    if (status) return status;
    if (plan.copies.verbose) tell_method(&launch);
    if (!plan.copies.count) return rp_become_copy(&plan.copies, -1);
    return rp_serve(&plan);
}

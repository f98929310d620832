/* SPDX-License-Identifier: MIT */
/* The command line of reuseport run. */
#ifndef RP_RUN_OPTIONS_H
#define RP_RUN_OPTIONS_H

#include "service/service.h"

/* Reads it into launch, and into plan, of which copies.launch is launch; copies.count is 0 without
 * -n. Exits with 125 and one line if something in it is wrong. Not async-signal-safe. */
void rp_parse_run(int argc, char **argv, struct rp_launch *launch, struct rp_service_plan *plan);

#endif

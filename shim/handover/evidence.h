/* SPDX-License-Identifier: MIT */
/* Observes which server gets the connections that begin after a change. */
#ifndef RP_EVIDENCE_H
#define RP_EVIDENCE_H

#include "handover/replacement.h"

enum rp_evidence { RP_NONE, RP_FOR, RP_AGAINST };

/* Looks at a group for at most a second, right after it has been steered to the new server: at the
 * connections that were not there at the first look, and at what comes to wait in the two servers'
 * queues. RP_AGAINST: the old server gets some. RP_NONE: nothing came, or nothing was seen of it,
 * as of connections that are closed within a tick. Ends early on an interrupt, or if one of the
 * servers ends, or if the group's members change. Not async-signal-safe. */
enum rp_evidence rp_evidence_gather(struct rp_replacement *this, struct rp_group *group);

#endif

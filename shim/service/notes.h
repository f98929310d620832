/* SPDX-License-Identifier: MIT */
/* The groups that have a program of ours: shared with the keepers, who detach it if this process is
 * killed. */
#ifndef RP_NOTES_H
#define RP_NOTES_H

#include "service/service.h"

/* To be called before the first copy is started: makes room for the notes, and has the keepers do
 * so. Not async-signal-safe; exits with 125 if memory runs out. */
void rp_notes_prepare(struct rp_service *service);

/* Notes that the group has a program, or may have one in an instant, or that it has none. Returns
 * false if there is no room: then none may be attached. Async-signal-safe. */
bool rp_note(const struct rp_socket *like, bool steered);

/* Drops the notes of groups that are not among these: with its last member a group is freed, and
 * its program. Async-signal-safe. */
void rp_notes_keep(const struct rp_listening *listening);

#endif

/* SPDX-License-Identifier: MIT */
/* The title of this process, as ps(1) shows it. */
#ifndef RP_TITLE_H
#define RP_TITLE_H

/* Notes where the argument strings are, which the kernel lays out one after the other; to be called
 * by main() (execve(2)). */
void rp_title_init(int argc, char **argv);

/* Changes the name of this process and what /proc/PID/cmdline shows (PR_SET_NAME of prctl(2);
 * proc(5)). Overwrites the argument strings, so nothing may use them afterwards. A title of up to
 * 15 bytes; where the arguments are shorter than it, only the name changes. */
void rp_title_set(const char *title);

#endif

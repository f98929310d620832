/* SPDX-License-Identifier: MIT */
/* The seccomp filter that has the kernel report each bind(2) (seccomp_unotify(2)), with rules for
 * every ABI of the machine. */
#ifndef RP_FILTER_H
#define RP_FILTER_H

#include <stdbool.h>
#include <stdint.h>

/* What the kernel reports. */
enum {
    RP_BINDS = 1,   /* bind(2), with an address that may be an inet socket's */
    RP_SOCKETS = 2, /* socket(2) for TCP */
};

/* Whether there are rules for this CPU. */
bool rp_filter_supported(void);

/* Installs a filter for what (a mask of the above) on this process and its descendants, setting
 * no_new_privs only if the kernel insists (seccomp(2), EACCES). Other calls are decided by their
 * number alone, which the kernel caches. Returns the listener, close-on-exec, or -1 and errno:
 * EBUSY if this process has a listener already, EOPNOTSUPP if there are no rules for this CPU.
 * Async-signal-safe. */
int rp_filter_install(unsigned what);

/* Classifies a notified call by its ABI and number (struct seccomp_data): RP_BINDS, RP_SOCKETS, or
 * 0 for a call that the filter does not report. *packed: its arguments are an array of 32-bit words
 * to which its second argument points (socketcall(2)). *narrow: its pointers have 32 bits.
 * Async-signal-safe. */
unsigned rp_filter_call(uint32_t arch, int number, bool *packed, bool *narrow);

#endif

/* The seccomp filter that has the kernel ask before a program binds (seccomp_unotify(2)), built by hand for
 * every ABI of the machine. */
#ifndef RP_FILTER_H
#define RP_FILTER_H

#include <stdbool.h>
#include <stdint.h>

/* What the kernel is to ask about. */
enum {
    RP_BINDS = 1,   /* bind(2), with an address that may be an inet socket's */
    RP_SOCKETS = 2, /* socket(2) for TCP */
};

/* Puts the filter on this process and all that come from it, with no_new_privs only where the kernel insists
 * (seccomp(2), EACCES). Every call that the kernel does not ask about is decided by its number alone, which the
 * kernel remembers. Returns the listener, close-on-exec, or -1 and errno: EBUSY if a listener watches this
 * process already. */
int rp_filter_install(unsigned what);

/* What a call that the kernel asks about is, of the ABI arch (seccomp_data): one of the two, or 0. *packed: its
 * arguments stand in memory, 32 bits each, where its second one points (socketcall(2)). *narrow: pointers have
 * 32 bits. */
unsigned rp_filter_call(uint32_t arch, int number, bool *packed, bool *narrow);

#endif

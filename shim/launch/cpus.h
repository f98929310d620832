/* SPDX-License-Identifier: MIT */
/* How many CPUs this process may use. */
#ifndef RP_CPUS_H
#define RP_CPUS_H

/* The CPUs of its affinity (sched_getaffinity(2)), or fewer where a cgroup's quota allows fewer,
 * rounded up; at least 1 (cgroups(7), cpu.max of version 2, cpu.cfs_quota_us of version 1). Not
 * async-signal-safe. */
int rp_usable_cpus(void);

#endif

/* SPDX-License-Identifier: MIT */
/* Counts usable CPUs: those that the affinity allows, or fewer by the quotas of the cgroup and of
 * those above it. */
#include "launch/cpus.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int affinity(void) {
    cpu_set_t set[16]; /* 16384 CPUs */
    if (sched_getaffinity(0, sizeof(set), set)) return INT_MAX;
    return CPU_COUNT_S(sizeof(set), set);
}

/* Reads up to two numbers from a cgroup's file; returns how many it found. "max" is not one. */
static int read_numbers(const char *directory, const char *name, long long *first,
                        long long *second) {
    char path[3 * PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "re");
    if (!file) return 0;
    const int count = fscanf(file, "%lld %lld", first, second);
    fclose(file);
    return count;
}

/* Returns the quota of a cgroup in CPUs, rounded up; INT_MAX if it has none. */
static int quota(const char *directory) {
    long long allowed = 0, period = 0, none;
    if (read_numbers(directory, "cpu.max", &allowed, &period) != 2 &&
        (read_numbers(directory, "cpu.cfs_quota_us", &allowed, &none) != 1 ||
         read_numbers(directory, "cpu.cfs_period_us", &period, &none) != 1))
        return INT_MAX;
    if (allowed <= 0 || period <= 0 || allowed / period >= INT_MAX) return INT_MAX;
    return (int)((allowed + period - 1) / period);
}

/* Returns the least quota of the group at root/path and of those above it; cuts path short. */
static int least_quota(const char *root, char *path) {
    char directory[2 * PATH_MAX];
    int least = INT_MAX;
    for (;;) {
        snprintf(directory, sizeof(directory), "%s%s", root, path);
        const int here = quota(directory);
        if (here < least) least = here;
        char *slash = strrchr(path, '/');
        if (!slash) return least;
        *slash = '\0';
    }
}

/* Whether "cpu" is among the controllers of a version 1 hierarchy, such as "cpu,cpuacct". */
static bool has_cpu(char *controllers) {
    char *rest = NULL;
    for (char *name = strtok_r(controllers, ",", &rest); name; name = strtok_r(NULL, ",", &rest))
        if (!strcmp(name, "cpu")) return true;
    return false;
}

int rp_usable_cpus(void) {
    char line[PATH_MAX], path[PATH_MAX], controllers[256];
    int least = affinity();
    FILE *file = fopen("/proc/self/cgroup", "re");
    while (file && fgets(line, sizeof(line), file)) {
        int limit = INT_MAX;
        if (sscanf(line, "0::%4095[^\n]", path) == 1)
            limit = least_quota("/sys/fs/cgroup", path);
        else if (sscanf(line, "%*d:%255[^:]:%4095[^\n]", controllers, path) == 2 &&
                 has_cpu(controllers))
            limit = least_quota("/sys/fs/cgroup/cpu", path);
        if (limit < least) least = limit;
    }
    if (file) fclose(file);
    return least == INT_MAX || least < 1 ? 1 : least;
}

/* Whether the library, as a preload, reaches what a command would run, or else seccomp, and if not, why and what
 * to do. */
#ifndef RP_PREFLIGHT_H
#define RP_PREFLIGHT_H

#include "launch/executable.h"

enum { RP_FINDINGS_MAX = 8 };

/* How a program is made to share its ports: from within, by the preloaded library, or from outside. */
enum rp_method { RP_AUTO, RP_PRELOAD, RP_SECCOMP };

struct rp_finding {
    unsigned hinders; /* bits, 1 << RP_PRELOAD and 1 << RP_SECCOMP: which method it rules out */
    char text[2 * PATH_MAX + 512]; /* one line, without control characters */
};

struct rp_preflight {
    int error;         /* errno that execve(2) would fail with, as far as can be seen; else 0 */
    unsigned hindered; /* bits, as in the findings */
    unsigned count;
    struct rp_finding findings[RP_FINDINGS_MAX];
};

/* Replaces control characters, which would break a line or steer a terminal, by '?'. */
void rp_make_plain(char *text);

/* Finds the file that execvp(3) would run for a command. Returns 0, or ENOENT or EACCES, or, for a
 * command with a slash, any errno of stat(2); path is then not to be used. */
int rp_find_command(const char *command, char path[PATH_MAX]);

/* Examines the file at path, following scripts to the program in the end, with regard to this process's
 * user (ld.so(8), "Secure-execution mode"). library: what the library's file is, NULL if unknown. Opens
 * nothing but regular files. A program that may be run but not read counts as reached, unless its mode
 * or capabilities tell otherwise. */
void rp_preflight_examine(const char *path, const struct rp_executable *library,
                          struct rp_preflight *reach);

/* The first finding that rules the method out, or NULL. */
const char *rp_preflight_hindrance(const struct rp_preflight *reach, enum rp_method method);

/* The method that is taken where wanted may be RP_AUTO: preload where the library reaches, else seccomp where
 * that is not ruled out, too. */
enum rp_method rp_preflight_method(const struct rp_preflight *reach, enum rp_method wanted);

#endif

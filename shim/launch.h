/* What run and replace do alike before they start a command: refuse what could not work. */
#ifndef RP_LAUNCH_H
#define RP_LAUNCH_H

#include <limits.h>

/* Makes sure of the library (given, or found), of the command and of the way between them, sets
 * LD_PRELOAD, and puts the file to execute into path. Returns 0, or the exit status 125, 126 or 127 after
 * one line that says why. */
int rp_launch_prepare(const char *library, const char *command, char path[PATH_MAX]);

/* A number of copies, or "auto"; exits with 125 if it is neither. */
int rp_parse_copies(const char *text);

/* setenv(3), or exit with 125. */
void rp_set_variable(const char *name, const char *value);

#endif

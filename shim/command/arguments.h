/* Options and arguments as all subcommands read them: strictly, and with one line that names what is wrong. */
#ifndef RP_ARGUMENTS_H
#define RP_ARGUMENTS_H

#include "inspect/sockets.h"
#include "launch/preflight.h"

#include <getopt.h>

/* getopt_long(3), that stops at the first word which is no option: that word is a command, and the rest
 * is its own. -h and -V are answered here, by printing help or the version and exiting with 0; an option
 * that does not exist ends with 125. Returns the option, or -1 after the last. */
int rp_next_option(int argc, char **argv, const char *options, const struct option *long_options,
                   const char *help);

/* A number from least to most from a command line; otherwise exits with 125 and says that what, such as
 * "-n", has been given the wrong one. */
long rp_parse_number(const char *what, const char *text, long least, long most);

/* "auto", "preload" or "seccomp"; exits with 125 if it is none of them. */
enum rp_method rp_parse_method(const char *text);

/* A number of copies, or "auto"; exits with 125 if it is neither. */
int rp_parse_copies(const char *text);

/* The string of -I; exits with 125 if it is empty. */
const char *rp_parse_replaced(const char *text);

/* PORT[/PROTO] as a subcommand's argument; exits with 125 and one line if it is none. */
struct rp_wanted rp_parse_port(const char *subcommand, const char *text);

/* A signal's name, with or without SIG, or its number; exits with 125 if it is neither. */
int rp_parse_signal(const char *text);

#endif

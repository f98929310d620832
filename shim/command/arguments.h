/* SPDX-License-Identifier: MIT */
/* Options and arguments as all subcommands read them: strictly, with one line that names what is
 * wrong. All of these exit with 125 after such a line, and none is async-signal-safe. */
#ifndef RP_ARGUMENTS_H
#define RP_ARGUMENTS_H

#include "inspect/sockets.h"
#include "launch/findings.h"
#include "launch/ready.h"

#include <getopt.h>

/* getopt_long(3), with options as it takes them. Answers -h and -V itself, by printing help or the
 * version and exiting with 0. Returns the option, or -1 after the last: with a leading "+", at the
 * first word that is not an option, so that a command keeps its own. */
int rp_next_option(int argc, char **argv, const char *options, const struct option *long_options,
                   const char *help);

/* A number from least to most. what: the option that it is for, such as "-n". */
long rp_parse_number(const char *what, const char *text, long least, long most);

/* "auto", "preload" or "seccomp". */
enum rp_method rp_parse_method(const char *text);

/* A number of copies, 1 to 4096, or "auto": one for each usable CPU. */
int rp_parse_copies(const char *text);

/* The string of -I, which must not be empty. */
const char *rp_parse_replaced(const char *text);

/* "listen", "notify", or a command line, which must not be blank. */
struct rp_ready rp_parse_ready(const char *text);

/* PORT[/PROTO], an argument of that subcommand. */
struct rp_wanted rp_parse_port(const char *subcommand, const char *text);

/* A signal's name, with or without SIG, or its number. what: the option that it is for; expected:
 * what the option takes, in words. */
int rp_parse_signal(const char *what, const char *text, const char *expected);

#endif

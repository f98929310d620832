/* What the subcommands have in common: their entry points, exit statuses, messages and options. */
#ifndef RP_COMMAND_H
#define RP_COMMAND_H

#include <getopt.h>
#include <stdbool.h>

/* As env(1), timeout(1) and stdbuf(1) have them. */
enum { RP_FAILED = 125, RP_CANNOT_RUN = 126, RP_NOT_FOUND = 127 };

/* The subcommands: argv[0] is the subcommand's name; the result is the exit status. */
int rp_cmd_run(int argc, char **argv);
int rp_cmd_check(int argc, char **argv);
int rp_cmd_list(int argc, char **argv);
int rp_cmd_adopt(int argc, char **argv);
int rp_cmd_replace(int argc, char **argv);
int rp_cmd_install_lib(int argc, char **argv);

/* Writes "reuseport: ", the text and a newline to stderr, in one write(2); printf(3)'s formats. */
void rp_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, then exits with 125. */
void rp_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* getopt_long(3), that stops at the first word which is no option: that word is a command, and the rest
 * is its own. -h and -V are answered here, by printing help or the version and exiting with 0; an option
 * that does not exist ends with 125. Returns the option, or -1 after the last. */
int rp_next_option(int argc, char **argv, const char *options, const struct option *long_options,
                   const char *help);

/* A number from least to most from a command line; otherwise exits with 125 and says that what, such as
 * "-n", has been given the wrong one. */
long rp_parse_number(const char *what, const char *text, long least, long most);

#endif

/* SPDX-License-Identifier: MIT */
/* The subcommands' entry points. */
#ifndef RP_COMMAND_H
#define RP_COMMAND_H

/* The subcommands: argv[0] is the subcommand's name; the result is the exit status. */
int rp_cmd_run(int argc, char **argv);
int rp_cmd_check(int argc, char **argv);
int rp_cmd_list(int argc, char **argv);
int rp_cmd_adopt(int argc, char **argv);
int rp_cmd_replace(int argc, char **argv);
int rp_cmd_install_lib(int argc, char **argv);

#endif

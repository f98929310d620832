/* SPDX-License-Identifier: MIT */
/* The version of library, command, manual pages and releases. */
#ifndef RP_VERSION_H
#define RP_VERSION_H

#define RP_VERSION "0.2.0"

/* Stored in the library's file: the command reads the version there without loading it. */
#define RP_VERSION_MARK "libreuseport version " RP_VERSION

#endif

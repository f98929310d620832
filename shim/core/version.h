/* The version, of library and command alike. */
#ifndef RP_VERSION_H
#define RP_VERSION_H

#define RP_VERSION "0.1.0"

/* Stands in the library's file, so that the command can tell which version it is without loading it. */
#define RP_VERSION_MARK "libreuseport version " RP_VERSION

#endif

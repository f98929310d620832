/* SPDX-License-Identifier: MIT */
/* For functions that run once, at load, or only after something has failed. */
#ifndef RP_RARE_H
#define RP_RARE_H

/* Lets compilers make it small rather than fast, as the whole library is a few pages. */
#define RP_RARE __attribute__((cold))

#endif

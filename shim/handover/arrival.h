/* The first half of a replacement: until the new server listens beside the old one. */
#ifndef RP_ARRIVAL_H
#define RP_ARRIVAL_H

#include "handover/replacement.h"

/* Switches SO_REUSEPORT on in what the old server holds; exits with 125 if it cannot, having put
 * everything back. */
void rp_adopt_all(struct rp_replacement *this);

/* The other steps return 0, or 125 after rp_undo. */

/* Waits, 65 seconds at most, until COMMAND can bind: connections accepted before the adoption lack
 * the option. Switches it on in those that the old server has, and waits until it has accepted
 * those in its queue, and until what is left of those that it closed has ended. COMMAND itself
 * reports whatever else is in the way. */
int rp_clear_way(struct rp_replacement *this);

/* Starts COMMAND. */
int rp_start_new(struct rp_replacement *this);

/* Waits until all copies listen where the old server does, or for a second on its ports at least.
 * */
int rp_wait_until_up(struct rp_replacement *this);

#endif

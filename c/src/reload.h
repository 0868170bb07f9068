/*
 * reload - the configuration is read again: on SIGHUP, and when its file has changed.
 *
 * One thread at a time: the loop of labs 1 to 7, or the worker "config". It
 * waits for watch.way.fd until watch.next_look, then calls reload_turn.
 */
#ifndef LABD_RELOAD_H
#define LABD_RELOAD_H

#include "failure.h"
#include "state.h"

/*
 * reload_now - read it again, and say in the log what came of it.
 *
 * cause is "HUP" or "file". The level of the log counts from now on; whoever
 * gets the configuration gets the new one; the jobs are looked at, for the
 * time of the next look may have come earlier. Counted by metrics_reload.
 */
void reload_now(struct labd *labd, const char *cause);

/* reload_turn - read it again, if the watch says so. Returns 0 or -errno. */
int reload_turn(struct labd *labd, struct failure *why);

/* reload_look - have the jobs looked at: by us, or by the worker that has them. */
void reload_look(struct labd *labd);

#endif

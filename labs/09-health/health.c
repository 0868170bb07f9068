/*
 * Lab 9, health: your own module, yet to be written.
 *
 * The contract of each function stands above it, as in c/src/health.h.
 * Write what is marked TODO, then run `make lab-9`: it shows yours beside the
 * reference. Functions of your own are welcome: make them static.
 */

#include "health.h"

#include "clock.h"
#include "pages.h"

#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * health_listen - listen at address, by listener_open; no server if address is empty.
 *
 * Logs the event "listening" with the field address, that of the listener. The state is
 * HEALTH_STARTING. Returns 0 or -errno, with nothing left open then.
 */
int health_listen(struct health *health, const char *address,
    const struct health_sources *sources, struct failure *why) {
    (void)health;
    (void)address;
    (void)sources;
    /* TODO: do what the contract above says. */
    return failure_todo(why, __func__);
}

/*
 * health_start - start the thread that answers. Does nothing where there is no listener.
 *
 * First of all the thread takes the name "health", PR_SET_NAME of prctl(2).
 * It uses libmicrohttpd with MHD_USE_EPOLL and MHD_USE_NO_LISTEN_SOCKET, without a thread of
 * its own: the loop is ours. poll(2) waits for the eventfd, the listener,
 * MHD_DAEMON_INFO_EPOLL_FD, and for at most as long as MHD_get_timeout or the oldest client
 * allow. Each turn:
 *
 * - accept4(2), non-blocking and close-on-exec, until nobody waits or HEALTH_CLIENTS have come
 *   in; each to MHD_add_connection. When there are HEALTH_CLIENTS, first the oldest is ended.
 *   With no descriptor left (EMFILE, ENFILE and what accept(2) says besides): end the oldest,
 *   too, and let a second pass before the next accept(2): the listener stays readable all the
 *   time;
 * - who is later than HEALTH_PATIENCE is ended. To end one: shutdown(2) of its socket; MHD_run
 *   then finds it closed, and MHD_OPTION_NOTIFY_CONNECTION says so;
 * - MHD_run.
 *
 * An answer is that of pages_find, queued by answer_queue as soon as the head of a request is
 * there; its body is never read.
 * Returns 0 or -errno; the listener stays, and health_close has to be called.
 */
int health_start(struct health *health, struct failure *why) {
    (void)health;
    /* TODO: do what the contract above says. */
    return failure_todo(why, __func__);
}

/*
 * health_state - say what /readyz has to say from now on.
 *
 * Never waits for anybody but for who reads or stores the state: no mutex is held while usable
 * is called, which a disk that does not answer may keep for ever. /healthz asks group_late,
 * with the limit of now, in every state.
 */
void health_state(struct health *health, enum health_state state) {
    (void)health;
    (void)state;
    /* TODO: do what the contract above says. */
}

/*
 * health_close - end the thread and every connection, and then listener_close.
 *
 * Does nothing where there is no listener.
 */
void health_close(struct health *health) {
    (void)health;
    /* TODO: do what the contract above says. */
}

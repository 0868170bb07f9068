/*
 * Lab 9, health: your own module, yet to be written.
 *
 * The contract of each function stands above it, as in c/src/health.h.
 * Write what is marked TODO, then run `make lab-9`: it shows yours beside the
 * reference. Functions of your own are welcome: make them static.
 */

#include "health.h"

#include "clock.h"
#include "descriptors.h"
#include "exposition.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/*
 * health_listen - open the socket at address; no server if address is empty.
 *
 * address is "127.0.0.1:PORT", "[::1]:PORT" or "unix:/absolute/path", as the configuration
 * checks it. The socket is non-blocking and close-on-exec, and listens when this returns.
 *
 * TCP: with SO_REUSEADDR, so that connections of our predecessor that the kernel still
 * remembers are not in the way, and IPV6_V6ONLY for [::1]. Port 0: the kernel chooses;
 * health->address then has the port that it chose.
 *
 * unix: the path of a daemon that was killed stays, and is in the way: bind(2) fails with
 * EADDRINUSE whether anybody listens there or not. So, in this order:
 *
 * 1. Open the folder (O_DIRECTORY); one that everybody may write to is refused with -EPERM.
 * 2. flock(2) it, exclusive: of two that start at once one is to look and bind before the other
 *    looks. It may be at another path in this folder, so wait for it, with LOCK_NB every 10 ms;
 *    -EADDRINUSE when another still holds it after 2 s.
 * 3. If there is something at the path (lstat(2)): what is not a socket is refused with
 * -ENOTSOCK. To a socket connect(2), without waiting. Only with ECONNREFUSED nobody listens:
 * remove it. Else it is another's: -EADDRINUSE, and it is not touched.
 * 4. bind(2) with the mode 0660: by fchmod(2) before it, so that nobody is quicker than
 *    we, and by chmod(2) after it, for bind(2) obeys the umask. Remember device and inode of
 *    the path; listen(2). Close the folder.
 *
 * A path that is too long for sockaddr_un: -ENAMETOOLONG. unix(7), tcp(7), ip(7), ipv6(7).
 *
 * Logs the event "listening" with the field address. The state is HEALTH_STARTING. Returns 0 or
 * -errno; a failure names call and address, and leaves neither socket nor path.
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
 * health_start - start the thread that answers, "health". Does nothing where there is no
 * listener.
 *
 * It uses libmicrohttpd with MHD_USE_EPOLL and MHD_USE_NO_LISTEN_SOCKET, without a thread of
 * its own: the loop is ours. poll(2) waits for the eventfd, the listener,
 * MHD_DAEMON_INFO_EPOLL_FD, and for at most as long as MHD_get_timeout or the oldest client
 * allow. Each turn:
 *
 * - accept4(2), non-blocking and close-on-exec, until nobody waits or HEALTH_CLIENTS have come
 * in; each to MHD_add_connection. When there are HEALTH_CLIENTS, first the oldest is ended.
 * With no descriptor left (EMFILE, ENFILE and what accept(2) says besides): end the oldest,
 * too, and let a second pass before the next accept(2): the listener stays readable all the
 * time;
 * - who is later than HEALTH_PATIENCE is ended. To end one: shutdown(2) of its socket; MHD_run
 * then finds it closed, and MHD_OPTION_NOTIFY_CONNECTION says so;
 * - MHD_run.
 *
 * An answer is queued when the head of a request is there, and its body is never read; it has
 * Content-Type, Cache-Control: no-store and Connection: close.
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
 * health_close - end the thread, every connection, and the socket.
 *
 * The path of a socket is removed while we still listen, and only if it is still ours by device
 * and inode: so nobody can take it over in between. Does nothing where there is no listener.
 */
void health_close(struct health *health) {
    (void)health;
    /* TODO: do what the contract above says. */
}

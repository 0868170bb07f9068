/*
 * Lab 9: health - answers to those who ask whether the daemon lives, is ready, and what it
 * does.
 *
 * HTTP on an address of this machine alone, from one thread that does nothing else: a worker
 * that hangs cannot keep it from saying so. Who asks is not trusted. A connection gets one
 * answer, and HEALTH_PATIENCE milliseconds from accept(2) to its end, whatever it sends
 * meanwhile; there are at most HEALTH_CLIENTS at a time, and the oldest makes room for the
 * next. So neither a client that is slow nor a thousand that are silent keep another from its
 * answer, or take the descriptors that jobs need.
 *
 *     /healthz   200 "ok", or 503: a worker gave no sign of life. Whoever asks may start us
 * anew. /readyz    200 "ok", or 503: starting, stopping, or what jobs need cannot be used.
 * Whoever asks should not send us work now; to start us anew would not help. /metrics   200,
 * Prometheus' text format /          200, a page for people
 *
 * To each come GET and HEAD; other methods get 405 with "Allow: GET, HEAD". Other paths get
 * 404. A request that is none gets 400, or its connection is closed; one whose first line is
 * too long gets 414, one whose head is 431, one of another HTTP than 1 505. No answer is to be
 * kept by a cache. The path counts as it stands, without what comes after a '?'; nothing in it
 * is decoded.
 */
#ifndef LABD_HEALTH_H
#define LABD_HEALTH_H

#include "failure.h"
#include "group.h"
#include "log.h"
#include "metrics.h"

#include <limits.h>
#include <pthread.h>
#include <sys/types.h>

struct MHD_Daemon; /* of <microhttpd.h> */

enum {
    HEALTH_CLIENTS = 64,    /* connections at a time */
    HEALTH_PATIENCE = 5000, /* milliseconds for one */
    HEALTH_HEAD = 16384, /* bytes of memory for one: more than its head and our answer need */
};

enum health_state { HEALTH_STARTING, HEALTH_READY, HEALTH_STOPPING };

/* Whether what jobs need, spool and database, can be used: 0, or -errno with the reason. Called
 * in the server's thread, when the state is HEALTH_READY; it may still run when that has
 * changed. */
typedef int health_usable(void *user, struct failure *why);

/* How many milliseconds a worker may be without a sign of life: worker_timeout of now. */
typedef int health_limit(void *user);

/* What the answers are made from. All of it belongs to the caller, and outlives the server. */
struct health_sources {
    struct group *group; /* its workers have to be alive */
    struct metrics *metrics;
    health_usable *usable;
    health_limit *limit;
    void *user; /* for usable and limit */
    struct log *log;
};

/* A connection. */
struct health_client {
    int fd;          /* belongs to libmicrohttpd */
    long long until; /* milliseconds of CLOCK_MONOTONIC; LLONG_MAX: it was ended already */
};

struct health {
    struct health_sources sources;
    char address[PATH_MAX + 8]; /* where it listens, with the real port */
    int listener;               /* -1: there is no server */
    dev_t device;               /* of the socket's path, with inode: to know it again */
    ino_t inode;                /* 0: there is no path */
    pthread_mutex_t mutex;      /* guards state */
    enum health_state state;
    struct MHD_Daemon *server;
    pthread_t thread;
    int stop; /* eventfd(2): readable once the thread has to end; -1: there is no thread */
    struct health_client clients[HEALTH_CLIENTS]; /* the oldest first */
    int count;
    long long rest; /* milliseconds of CLOCK_MONOTONIC: no accept(2) before that */
};

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
    const struct health_sources *sources, struct failure *why);

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
int health_start(struct health *health, struct failure *why);

/*
 * health_state - say what /readyz has to say from now on.
 *
 * Never waits for anybody but for who reads or stores the state: no mutex is held while usable
 * is called, which a disk that does not answer may keep for ever. /healthz asks group_late,
 * with the limit of now, in every state.
 */
void health_state(struct health *health, enum health_state state);

/*
 * health_close - end the thread, every connection, and the socket.
 *
 * The path of a socket is removed while we still listen, and only if it is still ours by device
 * and inode: so nobody can take it over in between. Does nothing where there is no listener.
 */
void health_close(struct health *health);

#endif

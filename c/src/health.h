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
 * Three modules are given. listener.h: the socket. pages.h: which pages there are; it asks us
 * whether we live, and are ready. answer.h: the way of an answer into the library.
 *
 * - It lives unless group_late names a worker, with the limit of now, in whatever state. Then
 *   the line is "worker NAME: no sign of life for more than N ms".
 * - It is ready when health_state has said so, and usable says so too. Else the line is
 *   "starting", "stopping", or what usable has failed of.
 *
 * A request that is none gets 400, or its connection is closed; one whose first line is too
 * long gets 414, one whose head is 431, one of another HTTP than 1 505. The path counts as it
 * stands, without what comes after a '?'; nothing in it is decoded.
 */
#ifndef LABD_HEALTH_H
#define LABD_HEALTH_H

#include "failure.h"
#include "group.h"
#include "listener.h"
#include "log.h"
#include "metrics.h"

#include <pthread.h>

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
    struct listener listener; /* its fd is -1: there is no server */
    pthread_mutex_t mutex;    /* guards state */
    enum health_state state;
    struct MHD_Daemon *server;
    pthread_t thread;
    int stop; /* eventfd(2): readable once the thread has to end; -1: there is no thread */
    struct health_client clients[HEALTH_CLIENTS]; /* the oldest first */
    int count;
    long long rest; /* milliseconds of CLOCK_MONOTONIC: no accept(2) before that */
};

/*
 * health_listen - listen at address, by listener_open; no server if address is empty.
 *
 * Logs the event "listening" with the field address, that of the listener. The state is
 * HEALTH_STARTING. Returns 0 or -errno, with nothing left open then.
 */
int health_listen(struct health *health, const char *address,
    const struct health_sources *sources, struct failure *why);

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
 * health_close - end the thread and every connection, and then listener_close.
 *
 * Does nothing where there is no listener.
 */
void health_close(struct health *health);

#endif

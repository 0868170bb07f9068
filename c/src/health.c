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

enum { REST = 1000 }; /* milliseconds */

int health_listen(struct health *health, const char *address,
    const struct health_sources *sources, struct failure *why) {
    *health = (struct health){.sources = *sources, .listener = {.fd = -1}, .stop = -1};
    pthread_mutex_init(&health->mutex, NULL);
    if (address[0] == '\0')
        return 0;
    int error = listener_open(&health->listener, address, why);
    if (error == 0)
        log_event(sources->log, "info", "listening", "{s:o}", "address",
            log_text(health->listener.address));
    return error;
}

/* --- the answers --- */

static bool is_alive(void *user, char line[PAGES_LINE]) {
    struct health *health = user;
    int limit = health->sources.limit(health->sources.user);
    const char *late = group_late(health->sources.group, limit);

    if (late == NULL)
        snprintf(line, PAGES_LINE, "ok\n");
    else
        snprintf(
            line, PAGES_LINE, "worker %s: no sign of life for more than %d ms\n", late, limit);
    return late == NULL;
}

static bool is_ready(void *user, char line[PAGES_LINE]) {
    static const char *const because[] = {
        [HEALTH_STARTING] = "starting", [HEALTH_STOPPING] = "stopping"};
    struct health *health = user;
    struct failure why;

    pthread_mutex_lock(&health->mutex);
    const char *reason = because[health->state];
    pthread_mutex_unlock(&health->mutex);
    if (reason == NULL && health->sources.usable(health->sources.user, &why) < 0)
        reason = why.text;
    snprintf(line, PAGES_LINE, "%s\n", reason == NULL ? "ok" : reason);
    return reason == NULL;
}

/* Called by libmicrohttpd when it has read the head of a request. */
static enum MHD_Result respond(void *user, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version, const char *data, size_t *size, void **seen) {
    struct health *health = user;
    const struct pages pages = {is_alive, is_ready, health, health->sources.metrics};

    (void)data, (void)size, (void)seen;
    if (url[0] == '\0' || strncmp(version, "HTTP/1.", 7) != 0)
        return answer_queue(connection, answer_plain(400, "bad request\n"));
    return answer_queue(connection, pages_find(&pages, method, url));
}

/* The path counts as it stands. */
static size_t decode_nothing(void *user, struct MHD_Connection *connection, char *text) {
    (void)user, (void)connection;
    return strlen(text);
}

/* --- the thread --- */

/* Ends a connection: libmicrohttpd finds it closed, and calls forget. */
static void dismiss(struct health_client *client) {
    shutdown(client->fd, SHUT_RDWR);
    client->until = LLONG_MAX;
}

/* Called by libmicrohttpd for each connection that comes, and goes. */
static void forget(void *user, struct MHD_Connection *connection, void **unused,
    enum MHD_ConnectionNotificationCode code) {
    struct health *health = user;
    int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    int i = 0;

    (void)unused;
    if (code != MHD_CONNECTION_NOTIFY_CLOSED)
        return;
    while (i < health->count && health->clients[i].fd != fd)
        i++;
    if (i == health->count)
        return;
    health->count--;
    memmove(&health->clients[i], &health->clients[i + 1],
        (size_t)(health->count - i) * sizeof health->clients[0]);
}

static void admit(struct health *health, int fd, const struct sockaddr *from, socklen_t size) {
    if (health->count == HEALTH_CLIENTS) {
        dismiss(&health->clients[0]);
        MHD_run(health->server);
    }
    if (health->count == HEALTH_CLIENTS) { /* never: but the table has an end */
        close(fd);
        return;
    }
    health->clients[health->count++] =
        (struct health_client){fd, now_milliseconds() + HEALTH_PATIENCE};
    if (MHD_add_connection(health->server, fd, from, size) != MHD_YES)
        health->count--; /* it has closed fd */
}

static void accept_clients(struct health *health) {
    for (int i = 0; i < HEALTH_CLIENTS; i++) {
        struct sockaddr_storage from;
        socklen_t size = sizeof from;
        int fd = accept4(
            health->listener.fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            admit(health, fd, (struct sockaddr *)&from, size);
            continue;
        }
        if (errno == EAGAIN)
            return;
        if (errno == ECONNABORTED || errno == EINTR)
            continue;
        health->rest = now_milliseconds() + REST;
        if (health->count > 0)
            dismiss(&health->clients[0]);
        return;
    }
}

static void dismiss_late(struct health *health) {
    long long now = now_milliseconds();

    for (int i = 0; i < health->count; i++)
        if (health->clients[i].until <= now)
            dismiss(&health->clients[i]);
}

/* For how long to wait at most: -1 for ever. */
static int patience(const struct health *health) {
    long long now = now_milliseconds(), until = LLONG_MAX;
    MHD_UNSIGNED_LONG_LONG left;

    for (int i = 0; i < health->count; i++)
        if (health->clients[i].until < until)
            until = health->clients[i].until;
    if (health->rest > now && health->rest < until)
        until = health->rest;
    if (MHD_get_timeout(health->server, &left) == MHD_YES && now + (long long)left < until)
        until = now + (long long)left;
    if (until == LLONG_MAX)
        return -1;
    return until > now ? (int)(until - now) : 0;
}

static void *serve(void *user) {
    struct health *health = user;
    int server = MHD_get_daemon_info(health->server, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;

    pthread_setname_np(pthread_self(), "health");
    for (;;) {
        bool rests = health->rest > now_milliseconds();
        struct pollfd waiting[] = {{.fd = health->stop, .events = POLLIN},
            {.fd = rests ? -1 : health->listener.fd, .events = POLLIN},
            {.fd = server, .events = POLLIN}};
        poll(waiting, 3, patience(health));
        if (waiting[0].revents != 0)
            return NULL;
        if (waiting[1].revents != 0)
            accept_clients(health);
        dismiss_late(health);
        MHD_run(health->server);
    }
}

int health_start(struct health *health, struct failure *why) {
    if (health->listener.fd < 0)
        return 0;
    health->server = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL,
        respond, health, MHD_OPTION_CONNECTION_LIMIT, (unsigned)HEALTH_CLIENTS + 1,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEALTH_HEAD, MHD_OPTION_UNESCAPE_CALLBACK,
        decode_nothing, NULL, MHD_OPTION_NOTIFY_CONNECTION, forget, health, MHD_OPTION_END);
    if (health->server == NULL)
        return failure(why, errno, "MHD_start_daemon()");
    health->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (health->stop < 0)
        return failure(why, errno, "eventfd()");
    int error = pthread_create(&health->thread, NULL, serve, health);
    if (error == 0)
        return 0;
    close(health->stop);
    health->stop = -1;
    return failure(why, error, "pthread_create()");
}

void health_state(struct health *health, enum health_state state) {
    pthread_mutex_lock(&health->mutex);
    health->state = state;
    pthread_mutex_unlock(&health->mutex);
}

void health_close(struct health *health) {
    if (health->stop >= 0) {
        eventfd_write(health->stop, 1);
        pthread_join(health->thread, NULL);
        close(health->stop);
        health->stop = -1;
    }
    if (health->server != NULL)
        MHD_stop_daemon(health->server);
    health->server = NULL;
    listener_close(&health->listener);
    pthread_mutex_destroy(&health->mutex);
}

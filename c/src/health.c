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

union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
};

enum { REST = 1000, WAIT = 2000, LOOK = 10 }; /* milliseconds */
enum { BACKLOG = 128, LINE = 600, MODE = 0660 };

/* --- the socket --- */

static bool is_path(const char *address) {
    return strncmp(address, "unix:", 5) == 0;
}

static int new_socket(int family, const char *address, struct failure *why) {
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    return fd < 0 ? failure(why, errno, "socket(%s)", address) : fd;
}

static int bind_and_listen(struct health *health, const char *address,
    const union address *where, socklen_t size, struct failure *why) {
    struct stat status;

    if (bind(health->listener, &where->any, size) < 0)
        return failure(why, errno, "bind(%s)", address);
    if (where->any.sa_family == AF_UNIX && lstat(where->un.sun_path, &status) == 0) {
        health->device = status.st_dev;
        health->inode = status.st_ino;
    }
    if (where->any.sa_family == AF_UNIX && chmod(where->un.sun_path, MODE) < 0)
        return failure(why, errno, "chmod(%s)", address);
    if (listen(health->listener, BACKLOG) < 0)
        return failure(why, errno, "listen(%s)", address);
    return 0;
}

/* The kernel has chosen where we left it the choice: port 0. */
static void keep_port(struct health *health, const char *address) {
    union address bound = {0};
    socklen_t size = sizeof bound;
    int host = (int)(strrchr(address, ':') - address);

    /* The port stands at the same place for both families. */
    if (getsockname(health->listener, &bound.any, &size) == 0)
        snprintf(health->address, sizeof health->address, "%.*s:%d", host, address,
            ntohs(bound.in.sin_port));
}

static int listen_tcp(struct health *health, const char *address, struct failure *why) {
    in_port_t port = htons((in_port_t)strtoul(strrchr(address, ':') + 1, NULL, 10));
    bool six = address[0] == '[';
    union address where = {.in = {.sin_family = AF_INET, .sin_port = port}};
    int yes = 1;

    where.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (six)
        where.in6 = (struct sockaddr_in6){
            .sin6_family = AF_INET6, .sin6_port = port, .sin6_addr = in6addr_loopback};
    health->listener = new_socket(where.any.sa_family, address, why);
    if (health->listener < 0)
        return health->listener;
    if (setsockopt(health->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0 ||
        (six && setsockopt(health->listener, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes) < 0))
        return failure(why, errno, "setsockopt(%s)", address);
    return bind_and_listen(
        health, address, &where, six ? sizeof where.in6 : sizeof where.in, why);
}

/* Whoever has it only looks and binds, perhaps at another path: he is soon done. Returns 0 or
 * -errno. */
static int await_lock(int fd) {
    long long until = now_milliseconds() + WAIT;
    struct timespec pause = timespec_of(LOOK);

    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -errno;
        if (now_milliseconds() >= until)
            return -EADDRINUSE;
        nanosleep(&pause, NULL);
    }
    return 0;
}

/* Opens and locks the folder of a path, so that nobody else looks and binds there meanwhile. */
static int lock_folder(const char *path, struct failure *why) {
    char copy[PATH_MAX]; /* dirname(3) writes into it */
    struct stat status;

    snprintf(copy, sizeof copy, "%s", path);
    const char *folder = dirname(copy);
    int fd = descriptors_open(folder, O_RDONLY | O_DIRECTORY, 0, why);
    if (fd < 0)
        return fd;
    int error = 0;
    if (fstat(fd, &status) < 0)
        error = failure(why, errno, "fstat(%s)", folder);
    else if (status.st_mode & S_IWOTH)
        error = failure(why, EPERM, "bind(unix:%s): everybody may write to %s", path, folder);
    else if ((error = await_lock(fd)) < 0)
        error = failure(why, -error, "flock(%s)", folder);
    if (error == 0)
        return fd;
    close(fd);
    return error;
}

/* Removes a socket that nobody listens at. */
static int clear_path(const char *path, const union address *where, struct failure *why) {
    struct stat status;

    if (lstat(path, &status) < 0)
        return errno == ENOENT ? 0 : failure(why, errno, "lstat(%s)", path);
    if (!S_ISSOCK(status.st_mode))
        return failure(why, ENOTSOCK, "bind(unix:%s)", path);
    int probe = new_socket(AF_UNIX, path, why);
    if (probe < 0)
        return probe;
    bool refused = connect(probe, &where->any, sizeof where->un) < 0 && errno == ECONNREFUSED;
    close(probe);
    if (!refused)
        return failure(why, EADDRINUSE, "bind(unix:%s)", path);
    if (unlink(path) < 0)
        return failure(why, errno, "unlink(%s)", path);
    return 0;
}

static int take_path(struct health *health, const char *address, struct failure *why) {
    union address where = {.un = {.sun_family = AF_UNIX}};
    const char *path = address + strlen("unix:");

    if (strlen(path) >= sizeof where.un.sun_path)
        return failure(why, ENAMETOOLONG, "bind(%s)", address);
    strcpy(where.un.sun_path, path);
    int error = clear_path(path, &where, why);
    if (error < 0)
        return error;
    health->listener = new_socket(AF_UNIX, address, why);
    if (health->listener < 0)
        return health->listener;
    if (fchmod(health->listener, MODE) < 0)
        return failure(why, errno, "fchmod(%s)", address);
    return bind_and_listen(health, address, &where, sizeof where.un, why);
}

static int listen_path(struct health *health, const char *address, struct failure *why) {
    int folder = lock_folder(address + strlen("unix:"), why);

    if (folder < 0)
        return folder;
    int error = take_path(health, address, why);
    close(folder);
    return error;
}

static void close_listener(struct health *health) {
    const char *path = health->address + strlen("unix:");
    struct stat status;

    if (health->inode != 0 && lstat(path, &status) == 0 && status.st_dev == health->device &&
        status.st_ino == health->inode)
        unlink(path);
    if (health->listener >= 0)
        close(health->listener);
    health->listener = -1;
}

int health_listen(struct health *health, const char *address,
    const struct health_sources *sources, struct failure *why) {
    *health = (struct health){.sources = *sources, .listener = -1, .stop = -1};
    pthread_mutex_init(&health->mutex, NULL);
    if (address[0] == '\0')
        return 0;
    snprintf(health->address, sizeof health->address, "%s", address);
    int error =
        is_path(address) ? listen_path(health, address, why) : listen_tcp(health, address, why);
    if (error < 0) {
        close_listener(health);
        return error;
    }
    if (!is_path(address))
        keep_port(health, address);
    log_event(sources->log, "info", "listening", "{s:o}", "address", log_text(health->address));
    return 0;
}

/* --- the answers --- */

static bool is_alive(struct health *health, char text[LINE]) {
    int limit = health->sources.limit(health->sources.user);
    const char *late = group_late(health->sources.group, limit);

    if (late == NULL)
        snprintf(text, LINE, "ok\n");
    else
        snprintf(text, LINE, "worker %s: no sign of life for more than %d ms\n", late, limit);
    return late == NULL;
}

static bool is_ready(struct health *health, char text[LINE]) {
    static const char *const because[] = {
        [HEALTH_STARTING] = "starting", [HEALTH_STOPPING] = "stopping"};
    struct failure why;

    pthread_mutex_lock(&health->mutex);
    const char *reason = because[health->state];
    pthread_mutex_unlock(&health->mutex);
    if (reason == NULL && health->sources.usable(health->sources.user, &why) < 0)
        reason = why.text;
    snprintf(text, LINE, "%s\n", reason == NULL ? "ok" : reason);
    return reason == NULL;
}

/* An answer, as long as it is made. */
struct answer {
    unsigned status;
    const char *type;
    char *body; /* of malloc(3); NULL when there was no memory */
};

static struct answer plain(unsigned status, const char *text) {
    return (struct answer){status, "text/plain; charset=utf-8", strdup(text)};
}

static struct answer make_metrics(struct health *health) {
    struct counters counters;

    metrics_read(health->sources.metrics, &counters);
    return (struct answer){
        200, "text/plain; version=0.0.4; charset=utf-8", exposition_metrics(&counters)};
}

static struct answer make_page(struct health *health) {
    char alive[LINE], ready[LINE];
    struct counters counters;

    is_alive(health, alive);
    is_ready(health, ready);
    metrics_read(health->sources.metrics, &counters);
    return (struct answer){
        200, "text/html; charset=utf-8", exposition_page(&counters, alive, ready)};
}

static struct answer make_health(struct health *health) {
    char text[LINE];
    bool alive = is_alive(health, text);

    return plain(alive ? 200 : 503, text);
}

static struct answer make_readiness(struct health *health) {
    char text[LINE];
    bool ready = is_ready(health, text);

    return plain(ready ? 200 : 503, text);
}

static const struct page {
    const char *path;
    struct answer (*make)(struct health *health);
} pages[] = {{"/healthz", make_health}, {"/readyz", make_readiness}, {"/metrics", make_metrics},
    {"/", make_page}};

static struct answer find_answer(
    struct health *health, const char *path, const char *method, const char *version) {
    if (path[0] == '\0' || strncmp(version, "HTTP/1.", 7) != 0)
        return plain(400, "bad request\n");
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        if (strcmp(path, pages[i].path) != 0)
            continue;
        if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
            return plain(405, "method not allowed\n");
        return pages[i].make(health);
    }
    return plain(404, "not found\n");
}

/* Called by libmicrohttpd when it has read the head of a request. */
static enum MHD_Result respond(void *user, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version, const char *data, size_t *size, void **seen) {
    struct answer answer = find_answer(user, url, method, version);

    (void)data, (void)size, (void)seen;
    if (answer.body == NULL)
        return MHD_NO; /* ends the connection */
    struct MHD_Response *response = MHD_create_response_from_buffer(
        strlen(answer.body), answer.body, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(answer.body);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer.type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    if (answer.status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result queued = MHD_queue_response(connection, answer.status, response);
    MHD_destroy_response(response);
    return queued;
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

static void admit(struct health *health, int fd, const union address *from, socklen_t size) {
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
    if (MHD_add_connection(health->server, fd, &from->any, size) != MHD_YES)
        health->count--; /* it has closed fd */
}

static void accept_clients(struct health *health) {
    for (int i = 0; i < HEALTH_CLIENTS; i++) {
        union address from = {0};
        socklen_t size = sizeof from;
        int fd = accept4(health->listener, &from.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            admit(health, fd, &from, size);
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
            {.fd = rests ? -1 : health->listener, .events = POLLIN},
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
    if (health->listener < 0)
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
    close_listener(health);
    pthread_mutex_destroy(&health->mutex);
}

#include "listener.h"

#include "clock.h"
#include "descriptors.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

enum { WAIT = 2000, LOOK = 10 }; /* milliseconds */
enum { BACKLOG = 128, MODE = 0660 };

static bool is_path(const char *address) {
    return strncmp(address, "unix:", 5) == 0;
}

static int new_socket(int family, const char *address, struct failure *why) {
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    return fd < 0 ? failure(why, errno, "socket(%s)", address) : fd;
}

static int bind_and_listen(struct listener *listener, const char *address,
    const union address *where, socklen_t size, struct failure *why) {
    struct stat status;

    if (bind(listener->fd, &where->any, size) < 0)
        return failure(why, errno, "bind(%s)", address);
    if (where->any.sa_family == AF_UNIX && lstat(where->un.sun_path, &status) == 0) {
        listener->device = status.st_dev;
        listener->inode = status.st_ino;
    }
    if (where->any.sa_family == AF_UNIX && chmod(where->un.sun_path, MODE) < 0)
        return failure(why, errno, "chmod(%s)", address);
    if (listen(listener->fd, BACKLOG) < 0)
        return failure(why, errno, "listen(%s)", address);
    return 0;
}

/* The kernel has chosen where we left it the choice: port 0. */
static void keep_port(struct listener *listener, const char *address) {
    union address bound = {0};
    socklen_t size = sizeof bound;
    int host = (int)(strrchr(address, ':') - address);

    /* The port stands at the same place for both families. */
    if (getsockname(listener->fd, &bound.any, &size) == 0)
        snprintf(listener->address, sizeof listener->address, "%.*s:%d", host, address,
            ntohs(bound.in.sin_port));
}

static int listen_tcp(struct listener *listener, const char *address, struct failure *why) {
    in_port_t port = htons((in_port_t)strtoul(strrchr(address, ':') + 1, NULL, 10));
    bool six = address[0] == '[';
    union address where = {.in = {.sin_family = AF_INET, .sin_port = port}};
    int yes = 1;

    where.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (six)
        where.in6 = (struct sockaddr_in6){
            .sin6_family = AF_INET6, .sin6_port = port, .sin6_addr = in6addr_loopback};
    listener->fd = new_socket(where.any.sa_family, address, why);
    if (listener->fd < 0)
        return listener->fd;
    if (setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0 ||
        (six && setsockopt(listener->fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes) < 0))
        return failure(why, errno, "setsockopt(%s)", address);
    return bind_and_listen(
        listener, address, &where, six ? sizeof where.in6 : sizeof where.in, why);
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

static int take_path(struct listener *listener, const char *address, struct failure *why) {
    union address where = {.un = {.sun_family = AF_UNIX}};
    const char *path = address + strlen("unix:");

    if (strlen(path) >= sizeof where.un.sun_path)
        return failure(why, ENAMETOOLONG, "bind(%s)", address);
    strcpy(where.un.sun_path, path);
    int error = clear_path(path, &where, why);
    if (error < 0)
        return error;
    listener->fd = new_socket(AF_UNIX, address, why);
    if (listener->fd < 0)
        return listener->fd;
    if (fchmod(listener->fd, MODE) < 0)
        return failure(why, errno, "fchmod(%s)", address);
    return bind_and_listen(listener, address, &where, sizeof where.un, why);
}

static int listen_path(struct listener *listener, const char *address, struct failure *why) {
    int folder = lock_folder(address + strlen("unix:"), why);

    if (folder < 0)
        return folder;
    int error = take_path(listener, address, why);
    close(folder);
    return error;
}

void listener_close(struct listener *listener) {
    const char *path = listener->address + strlen("unix:");
    struct stat status;

    if (listener->inode != 0 && lstat(path, &status) == 0 &&
        status.st_dev == listener->device && status.st_ino == listener->inode)
        unlink(path);
    if (listener->fd >= 0)
        close(listener->fd);
    listener->fd = -1;
}

int listener_open(struct listener *listener, const char *address, struct failure *why) {
    *listener = (struct listener){.fd = -1};
    snprintf(listener->address, sizeof listener->address, "%s", address);
    int error = is_path(address) ? listen_path(listener, address, why)
                                 : listen_tcp(listener, address, why);
    if (error < 0)
        listener_close(listener);
    else if (!is_path(address))
        keep_port(listener, address);
    return error;
}

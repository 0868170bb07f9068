#include "runner.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 1 << 20 /* bytes */, CLOSE_TIME = 1000 /* milliseconds */ };

int runner_find(const char *name, char path[PATH_MAX], struct failure *why) {
    static const char *const folders[] = {"/usr/local/bin/", "/usr/bin/", "/bin/"};

    if (strchr(name, '/') != NULL) {
        snprintf(path, PATH_MAX, "%s", name);
        return access(path, X_OK) < 0 ? failure(why, errno, "runner %s", name) : 0;
    }
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        snprintf(path, PATH_MAX, "%s%s", folders[i], name);
        if (access(path, X_OK) == 0)
            return 0;
    }
    return failure(why, ENOENT, "runner %s, in /usr/local/bin, /usr/bin and /bin", name);
}

/* Returns an errno, as the functions of posix_spawn(3) do. */
static int describe(
    posix_spawnattr_t *attributes, posix_spawn_file_actions_t *actions, int output) {
    sigset_t all, none;

    sigfillset(&all);
    sigemptyset(&none);
    int error = posix_spawnattr_setflags(
        attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    if (error == 0)
        error = posix_spawnattr_setpgroup(attributes, 0);
    if (error == 0)
        error = posix_spawnattr_setsigdefault(attributes, &all);
    if (error == 0)
        error = posix_spawnattr_setsigmask(attributes, &none);
    if (error == 0)
        error =
            posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(actions, output, STDOUT_FILENO);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(actions, output, STDERR_FILENO);
    return error;
}

static int spawn(pid_t *pid, char *const arguments[], int output) {
    static char path_variable[] = "PATH=/usr/local/bin:/usr/bin:/bin";
    char *variables[] = {path_variable, NULL};
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;

    int error = posix_spawnattr_init(&attributes);
    if (error != 0)
        return error;
    error = posix_spawn_file_actions_init(&actions);
    if (error == 0) {
        error = describe(&attributes, &actions, output);
        if (error == 0)
            error = posix_spawn(pid, arguments[0], &actions, &attributes, arguments, variables);
        posix_spawn_file_actions_destroy(&actions);
    }
    posix_spawnattr_destroy(&attributes);
    return error;
}

/* All that is there, without waiting. Returns whether more may come. */
static bool take(int pipe, char *said, size_t *size) {
    char data[4096];
    ssize_t count;

    while ((count = read(pipe, data, sizeof data)) > 0) {
        size_t room = MOST - *size, some = (size_t)count < room ? (size_t)count : room;
        memcpy(said + *size, data, some);
        *size += some;
    }
    return count < 0 && (errno == EAGAIN || errno == EINTR);
}

/* Reads until the process has ended; one whom it left behind may hold the pipe for ever.
 * Returns false when the time is up. */
static bool hear(int process, int pipe, long long until, char *said) {
    struct pollfd waiting[] = {
        {.fd = process, .events = POLLIN}, {.fd = pipe, .events = POLLIN}};
    size_t size = 0;

    while ((waiting[0].revents & POLLIN) == 0) {
        long long left = until - now_milliseconds();
        if (left <= 0)
            return false;
        if (poll(waiting, 2, (int)left) > 0 && !take(pipe, said, &size))
            waiting[1].fd = -1;
    }
    take(pipe, said, &size);
    said[size] = '\0';
    return true;
}

/* Its exit code; -1 when it still has not ended: then children_reap will find it. */
static int take_status(pid_t pid) {
    int status;

    if (waitpid(pid, &status, WNOHANG) != pid)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* As its parent: its number is its own until its status is taken. */
static int wait_for(
    pid_t pid, char *const arguments[], int pipe, int limit, char *said, struct failure *why) {
    int process = (int)syscall(SYS_pidfd_open, pid, 0);
    int error = process < 0 ? failure(why, errno, "pidfd_open(%s)", arguments[0]) : 0;

    if (error == 0 && !hear(process, pipe, now_milliseconds() + limit, said)) {
        failure_exit(
            why, EXIT_FAILED, "%s %s: it did not end in time", arguments[0], arguments[1]);
        error = -ETIMEDOUT;
    }
    if (error < 0) {
        kill(-pid, SIGKILL);
        poll(&(struct pollfd){.fd = process, .events = POLLIN}, 1, CLOSE_TIME);
    }
    if (process >= 0)
        close(process);
    int code = take_status(pid);
    if (error == 0 && code < 0)
        error = failure(why, ECHILD, "waitpid(%s)", arguments[0]);
    return error < 0 ? error : code;
}

int runner_call(char *const arguments[], int limit, char **said, struct failure *why) {
    pid_t pid;
    int ends[2];

    *said = malloc(MOST + 1);
    if (*said == NULL)
        return failure(why, ENOMEM, "malloc() for %s", arguments[0]);
    int result = pipe2(ends, O_CLOEXEC) < 0 ? failure(why, errno, "pipe2()") : 0;
    if (result == 0) {
        fcntl(ends[0], F_SETFL, O_NONBLOCK); /* our end alone */
        int error = spawn(&pid, arguments, ends[1]);
        close(ends[1]);
        result = error != 0 ? failure(why, error, "posix_spawn(%s)", arguments[0])
                            : wait_for(pid, arguments, ends[0], limit, *said, why);
        close(ends[0]);
    }
    if (result < 0) {
        free(*said);
        *said = NULL;
    }
    return result;
}

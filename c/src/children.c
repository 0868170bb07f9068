#include "children.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CLOSE_TIME = 5000 }; /* milliseconds */

int children_open(
    struct children *children, int size, int timeout, int grace, struct failure *why) {
    *children =
        (struct children){.size = size, .timeout = timeout, .grace = grace, .timer = -1};
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return failure(why, errno, "prctl(PR_SET_CHILD_SUBREAPER)");
    children->table = calloc((size_t)size, sizeof *children->table);
    if (children->table == NULL)
        return failure(why, errno, "calloc() of %d children", size);
    children->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (children->timer < 0) {
        int error = failure(why, errno, "timerfd_create()");
        free(children->table);
        children->table = NULL;
        return error;
    }
    return 0;
}

/* To the child's whole group. Where there is none, because the child has left it and was the
 * last, to the child. While its status is not taken, its number is its own, and no other
 * group's. SIGKILL also to one that has left the others behind. */
static void send(pid_t pid, int number) {
    if (kill(-pid, number) < 0 || number == SIGKILL)
        kill(pid, number);
}

static struct child *row_of(struct children *children, pid_t pid) {
    for (int i = 0; i < children->size; i++)
        if (children->table[i].pid == pid)
            return &children->table[i];
    return NULL;
}

/* Sets the timer for the deadline that comes first; a time of zero would stop it. */
static void set_timer(const struct children *children) {
    long long first = 0;

    for (int i = 0; i < children->size; i++) {
        const struct child *child = &children->table[i];
        if (child->pid != 0 && child->deadline != 0 && (first == 0 || child->deadline < first))
            first = child->deadline;
    }
    struct itimerspec when = {
        .it_value = {.tv_sec = first / 1000, .tv_nsec = first % 1000 * 1000000}};
    /* All its errors are mistakes in the call: timerfd_settime(2). */
    timerfd_settime(children->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

/* What the child is to be, as posix_spawn(3) wants it said. Returns an errno. */
static int describe(
    posix_spawnattr_t *attributes, posix_spawn_file_actions_t *actions, int output) {
    sigset_t all, none;

    sigfillset(&all);
    sigemptyset(&none);
    int error = posix_spawnattr_setflags(
        attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    if (error == 0)
        error = posix_spawnattr_setpgroup(attributes, 0); /* 0: a new one, with its number */
    if (error == 0)
        error = posix_spawnattr_setsigdefault(attributes, &all);
    if (error == 0)
        error = posix_spawnattr_setsigmask(attributes, &none);
    if (error == 0)
        error =
            posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (error == 0)
        error = output >= 0 ? posix_spawn_file_actions_adddup2(actions, output, STDOUT_FILENO)
                            : posix_spawn_file_actions_addopen(
                                  actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(actions, STDOUT_FILENO, STDERR_FILENO);
    return error;
}

/* Returns an errno, as the functions of posix_spawn(3) do. */
static int spawn(pid_t *pid, const char *path, char *const arguments[], int output) {
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
            error = posix_spawn(pid, path, &actions, &attributes, arguments, variables);
        posix_spawn_file_actions_destroy(&actions);
    }
    posix_spawnattr_destroy(&attributes);
    return error;
}

int children_spawn(struct children *children, const char *name, const char *path,
    char *const arguments[], int output, struct failure *why) {
    struct child *child = row_of(children, 0);
    pid_t pid;

    if (child == NULL)
        return failure(why, EAGAIN, "%d children run already", children->size);
    int error = spawn(&pid, path, arguments, output);
    if (error != 0)
        return failure(why, error, "posix_spawn(%s)", path);
    *child =
        (struct child){.pid = pid, .started = now_milliseconds(), .grace = children->grace};
    strncpy(child->name, name, sizeof child->name - 1);
    if (children->timeout > 0)
        child->deadline = child->started + children->timeout;
    children->running++;
    set_timer(children);
    return pid;
}

/* Takes the status of one child that has ended, after what is left of its group was ended. */
static int reap(struct children *children, const siginfo_t *how, child_ended *ended, void *user,
    struct failure *why) {
    pid_t pid = how->si_pid;
    struct child *row = row_of(children, pid);
    struct child child = {.pid = pid};
    struct rusage usage;

    if (row != NULL) {
        send(pid, SIGKILL);
        child = *row;
        *row = (struct child){0};
        children->running--;
    }
    /* The system call waitid(2) tells the usage, too, but not as the C library has it. */
    if (wait4(pid, NULL, WNOHANG, &usage) < 0)
        return failure(why, errno, "wait4(%d)", (int)pid);
    ended(user, &child, how, &usage);
    return 0;
}

int children_reap(
    struct children *children, child_ended *ended, void *user, struct failure *why) {
    int error = 0;

    while (error == 0) {
        siginfo_t how = {0};

        if (waitid(P_ALL, 0, &how, WEXITED | WNOHANG | WNOWAIT) < 0 && errno != ECHILD)
            return failure(why, errno, "waitid()");
        if (how.si_pid == 0) /* none has ended, or (ECHILD) there is none: waitid(2) */
            break;
        error = reap(children, &how, ended, user, why);
    }
    set_timer(children);
    return error;
}

static void send_due(struct child *child, int grace) {
    child->sent = child->sent == 0 ? SIGTERM : SIGKILL;
    send(child->pid, child->sent);
    if (child->sent == SIGTERM) {
        send(child->pid, SIGCONT);
        child->deadline = now_milliseconds() + grace;
    } else {
        child->deadline = 0; /* nothing is stronger */
    }
}

int children_expire(
    struct children *children, child_late *late, void *user, struct failure *why) {
    uint64_t expirations;
    long long now = now_milliseconds();

    /* Read, so that it is not readable any more; EAGAIN when it was not: timerfd_create(2). */
    if (read(children->timer, &expirations, sizeof expirations) < 0 && errno != EAGAIN)
        return failure(why, errno, "read() from the timerfd");
    for (int i = 0; i < children->size; i++) {
        struct child *child = &children->table[i];
        if (child->pid == 0 || child->deadline == 0 || child->deadline > now)
            continue;
        send_due(child, child->grace);
        late(user, child);
    }
    set_timer(children);
    return 0;
}

void children_end(struct children *children) {
    for (int i = 0; i < children->size; i++)
        if (children->table[i].pid != 0 && children->table[i].sent == 0)
            children->table[i].deadline = now_milliseconds();
    set_timer(children);
}

/* Reaps until none of the table is left, for at most CLOSE_TIME: one in state D ends when its
 * disk answers, and one that became another user cannot be killed. */
static void await_ends(struct children *children, child_ended *ended, void *user) {
    long long until = now_milliseconds() + CLOSE_TIME;
    struct timespec look = {.tv_nsec = 10000000};
    struct failure unheard;
    sigset_t end;

    sigemptyset(&end);
    sigaddset(&end, SIGCHLD);
    while (children_reap(children, ended, user, &unheard) == 0 && children->running > 0 &&
           now_milliseconds() < until)
        sigtimedwait(&end, NULL, &look);
}

void children_close(struct children *children, child_ended *ended, void *user) {
    struct failure unheard;

    if (children->timer < 0)
        return;
    children_reap(children, ended, user, &unheard); /* those that ended by themselves */
    for (int i = 0; i < children->size; i++)
        if (children->table[i].pid != 0)
            send(children->table[i].pid, SIGKILL);
    await_ends(children, ended, user);
    close(children->timer);
    free(children->table);
    *children = (struct children){.timer = -1};
}

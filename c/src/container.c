#include "container.h"

#include "clock.h"
#include "runner.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROUNDS = 3 };

/* --- who we are --- */

/* symlink(2) makes the link with what it says at once: two that start find the same one. */
static int identify(struct container *container, const char *spool, struct failure *why) {
    char path[PATH_MAX], id[SPOOL_ID + 1];
    struct stat status;

    if (snprintf(path, sizeof path, "%s/instance", spool) >= (int)sizeof path)
        return failure(why, ENAMETOOLONG, "symlink(%s/instance)", spool);
    int error = spool_new_id(id, why);
    if (error < 0)
        return error;
    if (symlink(id, path) < 0 && errno != EEXIST)
        return failure(why, errno, "symlink(%s)", path);
    if (readlink(path, id, SPOOL_ID) != SPOOL_ID || lstat(path, &status) < 0)
        return failure(why, errno, "readlink(%s)", path);
    id[SPOOL_ID] = '\0';
    if (strspn(id, "0123456789abcdef") != SPOOL_ID)
        return failure(why, EINVAL, "readlink(%s)", path);
    snprintf(container->label, sizeof container->label, "labd.instance=%s.%llu", id,
        (unsigned long long)status.st_ino);
    return 0;
}

/* --- what is there --- */

static bool is_meant(const struct container *container, const char *name, bool all) {
    const char *digits = name + strlen("labd-");

    if (strncmp(name, "labd-", strlen("labd-")) != 0 || strlen(digits) != SPOOL_ID ||
        strspn(digits, "0123456789abcdef") != SPOOL_ID)
        return false;
    bool meant = all;
    for (size_t i = 0; i < container->left_count && !meant; i++)
        meant = strcmp(container->left[i], name) == 0;
    return meant;
}

/* Cuts what was said to its last line, where the reason stands. */
static const char *last_line(char *said) {
    size_t length = strlen(said);

    while (length > 0 && said[length - 1] == '\n')
        said[--length] = '\0';
    const char *line = strrchr(said, '\n');
    return line != NULL ? line + 1 : said;
}

static int left_until(long long until) {
    return (int)(until - now_milliseconds());
}

/* *names gets the names of those that are meant, in *said, which is to be freed; NULL at the
 * end. Returns how many there are, or -errno with nothing left allocated. */
static int list(struct container *container, bool all, long long until, char **said,
    char ***names, struct failure *why) {
    char filter[sizeof "label=" + CONTAINER_LABEL];
    char *arguments[] = {
        container->runner, "ps", "--all", "--filter", filter, "--format", "{{.Names}}", NULL};
    int count = 0;

    snprintf(filter, sizeof filter, "label=%s", container->label);
    int code = runner_call(arguments, left_until(until), said, why);
    if (code < 0)
        return code;
    *names = code == 0 ? calloc(strlen(*said) / CONTAINER_NAME + 1, sizeof **names) : NULL;
    if (*names == NULL) {
        code = code == 0 ? failure(why, ENOMEM, "calloc() of names")
                         : failure_exit(why, EXIT_FAILED, "%s ps: exit code %d: %s",
                               container->runner, code, last_line(*said));
        free(*said);
        return code;
    }
    for (char *rest = *said, *name; (name = strtok_r(rest, "\n", &rest)) != NULL;)
        if (is_meant(container, name, all))
            (*names)[count++] = name;
    return count;
}

/* --- removing --- */

/* "RUNNER VERB OPTION… NAME…" Returns its exit code or -errno; *said is to be freed. */
static int tell(const struct container *container, char *const verb[], char **names, int count,
    long long until, char **said, struct failure *why) {
    int words = 0;

    while (verb[words] != NULL)
        words++;
    char **arguments = calloc((size_t)(1 + words + count + 1), sizeof *arguments);
    if (arguments == NULL)
        return failure(why, ENOMEM, "calloc() of arguments");
    arguments[0] = (char *)container->runner;
    memcpy(arguments + 1, verb, (size_t)words * sizeof *arguments);
    memcpy(arguments + 1 + words, names, (size_t)count * sizeof *arguments);
    int code = runner_call(arguments, left_until(until), said, why);
    free(arguments);
    return code;
}

/* "rm --force" alone would do with docker; podman asks first, and waits. That a container is
 * not there, or does not run, is no failure: the next list will tell. */
static int end(const struct container *container, char **names, int count, long long until,
    struct failure *why) {
    char *said;
    int code = tell(container, (char *[]){"kill", "--signal", "KILL", NULL}, names, count,
        until, &said, why);

    if (code < 0)
        return code;
    free(said);
    code = tell(container, (char *[]){"rm", "--force", NULL}, names, count, until, &said, why);
    if (code < 0)
        return code;
    failure_exit(
        why, EXIT_FAILED, "%s rm: exit code %d: %s", container->runner, code, last_line(said));
    free(said);
    return 0;
}

/* Returns how many there were at first, or -errno. */
static int sweep(struct container *container, bool all, struct failure *why) {
    long long until = now_milliseconds() + container->limit;
    int found = 0;

    for (int round = 0; round <= ROUNDS; round++) {
        char *said, **names;
        int count = list(container, all, until, &said, &names, why);
        int error = count;
        if (count > 0)
            error = round < ROUNDS ? end(container, names, count, until, why) : -EBUSY;
        if (count >= 0) {
            free(names);
            free(said);
        }
        if (round == 0)
            found = count;
        if (error < 0 || count == 0)
            return error < 0 ? error : found;
    }
    return found;
}

/* --- all together --- */

int container_open(struct container *container, const char *runner, const char *image,
    const char *spool, int limit, struct failure *why) {
    *container = (struct container){.limit = limit};
    if (runner[0] == '\0')
        return 0;
    snprintf(container->image, sizeof container->image, "%s", image);
    int error = runner_find(runner, container->runner, why);
    if (error == 0)
        error = identify(container, spool, why);
    if (error == 0)
        error = container->removed = sweep(container, true, why);
    if (error < 0)
        *container = (struct container){0};
    return error < 0 ? error : 0;
}

static bool can_be_told(const char *path) {
    json_t *text = json_string(path); /* NULL if it is no UTF-8 */
    bool can = text != NULL && strchr(path, ':') == NULL;

    json_decref(text);
    return can;
}

int container_run(const struct container *container, const char *id, const char *path,
    struct container_run *run, struct failure *why) {
    char *arguments[CONTAINER_ARGUMENTS] = {(char *)container->runner, "run", "--rm", "--label",
        (char *)container->label, "--name", run->name, "--network", "none", "--log-driver",
        "none", "--volume", run->volume, (char *)container->image, "/job", NULL};

    if (!can_be_told(path))
        return failure_exit(
            why, EXIT_FAILED, "no container can get %s: a colon, or no UTF-8", path);
    snprintf(run->name, sizeof run->name, "labd-%s", id);
    snprintf(run->volume, sizeof run->volume, "%s:/job:ro", path);
    memcpy(run->arguments, arguments, sizeof arguments);
    return 0;
}

bool container_ended(struct container *container, const char *id, int code, bool asked) {
    bool finished = code >= 0 && (code < CONTAINER_OWN || code > 127);

    if (container->runner[0] == '\0' || (finished && !asked))
        return false;
    char(*longer)[CONTAINER_NAME] =
        reallocarray(container->left, container->left_count + 1, sizeof *longer);
    if (longer == NULL)
        return false; /* container_close will find it */
    container->left = longer;
    snprintf(longer[container->left_count++], CONTAINER_NAME, "labd-%s", id);
    return true;
}

static void forget(struct container *container) {
    free(container->left);
    container->left = NULL;
    container->left_count = 0;
}

int container_remove(struct container *container, struct failure *why) {
    int error = container->left_count > 0 ? sweep(container, false, why) : 0;

    forget(container);
    return error < 0 ? error : 0;
}

int container_close(struct container *container, struct failure *why) {
    int error = container->runner[0] != '\0' ? sweep(container, true, why) : 0;

    forget(container);
    *container = (struct container){0};
    return error < 0 ? error : 0;
}

#include "container.h"

#include "clock.h"
#include "runner.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIGITS "0123456789abcdef"

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
    if (strspn(id, DIGITS) != SPOOL_ID)
        return failure(why, EINVAL, "readlink(%s)", path);
    snprintf(container->label, sizeof container->label, "labd.instance=%s.%llu", id,
        (unsigned long long)status.st_ino);
    snprintf(container->prefix, sizeof container->prefix, "labd-%llu-",
        (unsigned long long)status.st_ino);
    return 0;
}

/* --- what is there --- */

/* Whether there was memory for it. */
static bool keep_in_mind(struct container *container, const char *id) {
    char(*longer)[CONTAINER_NAME] =
        reallocarray(container->left, container->left_count + 1, sizeof *longer);

    if (longer == NULL)
        return false;
    container->left = longer;
    snprintf(longer[container->left_count++], CONTAINER_NAME, "%s%.*s", container->prefix,
        SPOOL_ID, id);
    return true;
}

/* Those of jobs that were claimed: each has its id until it is over. Of who was killed while he
 * made one there may be no more than the name. */
static int keep_claimed(struct container *container, const char *spool, struct failure *why) {
    char path[PATH_MAX], id[SPOOL_ID + 1] = "";
    const struct dirent *entry;

    snprintf(path, sizeof path, "%s/id", spool);
    DIR *list = opendir(path);
    if (list == NULL)
        return errno == ENOENT ? 0 : failure(why, errno, "opendir(%s)", path);
    int error = 0;
    while (error == 0 && (entry = readdir(list)) != NULL)
        if (readlinkat(dirfd(list), entry->d_name, id, SPOOL_ID) == SPOOL_ID &&
            strspn(id, DIGITS) == SPOOL_ID && !keep_in_mind(container, id))
            error = failure(why, ENOMEM, "reallocarray() of names");
    closedir(list);
    return error;
}

static bool is_meant(const struct container *container, const char *name, bool all) {
    size_t length = strlen(container->prefix);

    if (strncmp(name, container->prefix, length) != 0 || strlen(name + length) != SPOOL_ID ||
        strspn(name + length, DIGITS) != SPOOL_ID)
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

/* Those that are meant: names point into what was said. */
struct listing {
    char *said;
    char **names;
    int count;
};

static void free_listing(const struct listing *listing) {
    free(listing->names);
    free(listing->said);
}

/* Returns 0 or -errno; listing is to be freed in either case. */
static int list(struct container *container, bool all, long long until, struct listing *listing,
    struct failure *why) {
    char filter[sizeof "label=" + CONTAINER_LABEL];
    char *arguments[] = {
        container->runner, "ps", "--all", "--filter", filter, "--format", "{{.Names}}", NULL};

    *listing = (struct listing){0};
    snprintf(filter, sizeof filter, "label=%s", container->label);
    int code = runner_call(arguments, left_until(until), &listing->said, why);
    if (code > 0)
        return failure_exit(why, EXIT_FAILED, "%s ps: exit code %d: %s", container->runner,
            code, last_line(listing->said));
    if (code < 0)
        return code;
    listing->names = calloc(strlen(listing->said) / CONTAINER_NAME + 1, sizeof(char *));
    if (listing->names == NULL)
        return failure(why, ENOMEM, "calloc() of names");
    for (char *rest = listing->said, *name; (name = strtok_r(rest, "\n", &rest)) != NULL;)
        if (is_meant(container, name, all))
            listing->names[listing->count++] = name;
    return 0;
}

/* --- removing --- */

/* "RUNNER VERB OPTION… NAME…" Returns its exit code or -errno; *said is to be freed, and may be
 * NULL. */
static int tell(const struct container *container, char *const verb[],
    const struct listing *listing, long long until, char **said, struct failure *why) {
    int words = 0, count = 1;

    *said = NULL;
    while (verb[words] != NULL)
        words++;
    char **arguments = calloc((size_t)(1 + words + listing->count + 1), sizeof *arguments);
    if (arguments == NULL)
        return failure(why, ENOMEM, "calloc() of arguments");
    arguments[0] = (char *)container->runner;
    for (int i = 0; i < words; i++)
        arguments[count++] = verb[i];
    for (int i = 0; i < listing->count; i++)
        arguments[count++] = listing->names[i];
    int code = runner_call(arguments, left_until(until), said, why);
    free(arguments);
    return code;
}

/* "rm --force" alone would do with docker; podman asks first, and waits. That a container is
 * not there, or does not run, is no failure: the next list will tell. */
static int end(const struct container *container, const struct listing *listing,
    long long until, struct failure *why) {
    char *const kill[] = {"kill", "--signal", "KILL", NULL}, *const rm[] = {
                                                                 "rm", "--force", NULL};
    char *said;

    int code = tell(container, kill, listing, until, &said, why);
    free(said);
    if (code < 0)
        return code;
    code = tell(container, rm, listing, until, &said, why);
    if (code >= 0 && said != NULL)
        failure_exit(why, EXIT_FAILED, "%s rm: exit code %d: %s", container->runner, code,
            last_line(said));
    free(said);
    return code < 0 ? code : 0;
}

/* Those that are kept in mind, whether they are in a list or not. */
static int end_left(struct container *container, long long until, struct failure *why) {
    struct listing listing = {.count = (int)container->left_count};

    listing.names = calloc(container->left_count, sizeof(char *));
    if (listing.names == NULL)
        return failure(why, ENOMEM, "calloc() of names");
    for (int i = 0; i < listing.count; i++)
        listing.names[i] = container->left[i];
    int error = end(container, &listing, until, why);
    free_listing(&listing);
    return error;
}

/* Returns how many were found in lists, or -errno. */
static int sweep(struct container *container, bool all, struct failure *why) {
    long long until = now_milliseconds() + container->limit;
    int found = 0;

    for (int round = 0; round <= ROUNDS; round++) {
        struct listing listing;
        bool in_mind = round == 0 && container->left_count > 0;
        int error = list(container, all, until, &listing, why);
        bool over = error < 0 || (listing.count == 0 && !in_mind);
        if (round == 0)
            found = listing.count;
        if (!over && in_mind)
            error = end_left(container, until, why);
        else if (!over)
            error = round < ROUNDS ? end(container, &listing, until, why) : -EBUSY;
        free_listing(&listing);
        if (over || error < 0)
            return error < 0 ? error : found;
    }
    return found;
}

/* --- all together --- */

static void forget(struct container *container) {
    free(container->left);
    container->left = NULL;
    container->left_count = 0;
}

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
        error = keep_claimed(container, spool, why);
    if (error == 0)
        error = container->removed = sweep(container, true, why);
    forget(container);
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
    snprintf(run->name, sizeof run->name, "%s%s", container->prefix, id);
    snprintf(run->volume, sizeof run->volume, "%s:/job:ro", path);
    memcpy(run->arguments, arguments, sizeof arguments);
    return 0;
}

bool container_ended(struct container *container, const char *id, int code, bool asked) {
    bool finished = code >= 0 && (code < CONTAINER_OWN || code > 127);

    if (container->runner[0] == '\0' || (finished && !asked))
        return false;
    return keep_in_mind(container, id); /* if not, container_close will find it */
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

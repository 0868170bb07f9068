#include "config.h"

#include "clock.h"
#include "inifile.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- keys --- */

#define SETTING(key) offsetof(struct config, key), sizeof(((struct config *)NULL)->key)

static const struct key {
    const char *name;
    const char *(*read)(void *setting, const char *value);
    size_t setting, size;
    bool live; /* can change while we run */
} keys[] = {
    {"directory", value_path, SETTING(directory), false},
    {"log", value_file, SETTING(log), false},
    {"log_level", value_level, SETTING(log_level), true},
    {"pidfile", value_file, SETTING(pidfile), false},
    {"umask", value_umask, SETTING(umask), false},
    {"warmup", value_seconds, SETTING(warmup), false},
    {"drain", value_seconds, SETTING(drain), true},
    {"spool", value_path, SETTING(spool), false},
    {"workers", value_workers, SETTING(workers), false},
    {"poll_interval", value_seconds, SETTING(poll_interval), true},
    {"job_timeout", value_seconds, SETTING(job_timeout), true},
    {"job_grace", value_seconds, SETTING(job_grace), true},
    {"database", value_file, SETTING(database), false},
    {"output_limit", value_bytes, SETTING(output_limit), false},
    {"runner", value_runner, SETTING(runner), false},
    {"image", value_image, SETTING(image), false},
    {"listen", value_listen, SETTING(listen), false},
    {"report_interval", value_seconds, SETTING(report_interval), true},
    {"stop_timeout", value_seconds, SETTING(stop_timeout), true},
    {"worker_timeout", value_seconds, SETTING(worker_timeout), true},
};
enum { KEYS = sizeof keys / sizeof keys[0] };

struct reading {
    struct config *config;
    int lines[KEYS]; /* where each key was; 0: nowhere */
    char names[512];
};

static const char *expected_keys(struct reading *reading) {
    size_t length = (size_t)snprintf(reading->names, sizeof reading->names, "one of the keys");

    for (int i = 0; i < KEYS && length < sizeof reading->names; i++)
        length += (size_t)snprintf(reading->names + length, sizeof reading->names - length,
            "%s %s", i == 0 ? "" : ",", keys[i].name);
    return reading->names;
}

/* An inifile_take. */
static const char *take(void *user, int line, const char *name, const char *value) {
    struct reading *reading = user;

    for (int i = 0; i < KEYS; i++) {
        if (strcmp(name, keys[i].name) != 0)
            continue;
        if (reading->lines[i] > 0)
            return "each key once";
        reading->lines[i] = line;
        return keys[i].read((char *)reading->config + keys[i].setting, value);
    }
    return expected_keys(reading);
}

/* --- what the keys say together --- */

static int line_of(const struct reading *reading, const char *name) {
    int line = 0;

    for (int i = 0; i < KEYS; i++)
        if (strcmp(name, keys[i].name) == 0)
            line = reading->lines[i];
    return line;
}

struct objection {
    const char *name, *value, *expected;
};

static int check(const struct reading *reading, const char *path, struct failure *why) {
    const struct config *config = reading->config;
    bool database = config->database[0] != '\0', runner = config->runner[0] != '\0';
    struct objection wrong = {0};
    char text[sizeof "database = " + PATH_MAX];

    if (database && config->spool[0] == '\0')
        wrong = (struct objection){"database", config->database, "the key spool beside it"};
    else if (runner && config->spool[0] == '\0')
        wrong = (struct objection){"runner", config->runner, "the key spool beside it"};
    else if (runner && config->image[0] == '\0')
        wrong = (struct objection){"runner", config->runner, "the key image beside it"};
    else if (runner && strchr(config->spool, ':') != NULL)
        wrong = (struct objection){"spool", config->spool, "no colon, beside a runner"};
    if (wrong.name == NULL)
        return 0;
    snprintf(text, sizeof text, "%s = %s", wrong.name, wrong.value);
    return inifile_refuse(path, line_of(reading, wrong.name), text, wrong.expected, why);
}

int config_load(struct config *config, const char *path, struct failure *why) {
    struct reading reading = {.config = config};

    *config = (struct config){.directory = "/",
        .umask = 022,
        .log_level = "info",
        .workers = 4,
        .poll_interval = 1000,
        .job_timeout = 60000,
        .job_grace = 5000,
        .output_limit = 1 << 20,
        .report_interval = 60000,
        .stop_timeout = 10000,
        .worker_timeout = 5000};
    if (path == NULL)
        return 0;
    int error = inifile_read(path, take, &reading, why);
    return error < 0 ? error : check(&reading, path, why);
}

/* --- the store --- */

/* As far as anything can be seen of the file: one that is not there has no inode. */
static struct config_seen look_at(const char *path) {
    struct stat status;

    if (path == NULL || stat(path, &status) < 0)
        return (struct config_seen){.inode = 0};
    return (struct config_seen){status.st_ino, status.st_ctim};
}

static bool is_same(const struct config_seen *one, const struct config_seen *other) {
    return one->inode == other->inode && one->changed.tv_sec == other->changed.tv_sec &&
           one->changed.tv_nsec == other->changed.tv_nsec;
}

int config_open(struct config_store *store, const char *path, struct failure *why) {
    *store = (struct config_store){.generation = 1, .path = path, .seen = look_at(path)};
    pthread_mutex_init(&store->mutex, NULL);
    return config_load(&store->config, path, why);
}

long config_get(struct config_store *store, struct config *copy) {
    pthread_mutex_lock(&store->mutex);
    *copy = store->config;
    long generation = store->generation;
    pthread_mutex_unlock(&store->mutex);
    return generation;
}

/* Takes back what cannot change while we run, and names it. */
static void keep(struct config *next, const struct config *now, char *names, size_t size) {
    size_t length = 0;

    names[0] = '\0';
    for (int i = 0; i < KEYS; i++) {
        char *setting = (char *)next + keys[i].setting;
        const char *old = (const char *)now + keys[i].setting;
        if (keys[i].live || memcmp(setting, old, keys[i].size) == 0)
            continue;
        memcpy(setting, old, keys[i].size);
        if (length < size)
            length += (size_t)snprintf(
                names + length, size - length, "%s%s", length > 0 ? ", " : "", keys[i].name);
    }
}

int config_reload(
    struct config_store *store, struct config_change *change, struct failure *why) {
    struct config now, next;

    change->was = change->generation = config_get(store, &now);
    store->seen = look_at(store->path); /* before it is read: what comes later is news */
    int error = config_load(&next, store->path, why);
    if (error < 0)
        return error;
    keep(&next, &now, change->restart, sizeof change->restart);
    pthread_mutex_lock(&store->mutex);
    store->config = next;
    change->generation = ++store->generation;
    pthread_mutex_unlock(&store->mutex);
    return 0;
}

/* --- the watch --- */

enum { LOOK_INTERVAL = 1000 }; /* milliseconds */

int config_watch_open(
    struct config_watch *watch, const struct config_store *store, struct failure *why) {
    *watch = (struct config_watch){.way = {.fd = -1}, .store = store, .next_look = -1};
    if (store->path == NULL)
        return 0;
    int error = way_open(&watch->way, why);
    if (error < 0)
        return error;
    watch->next_look = now_milliseconds();
    return 0;
}

/* What some events together say. */
struct news {
    bool any;
    bool written;   /* the file was closed by a writer, or renamed into its place */
    bool exchanged; /* or a link was, or was made */
};

static void take_event(
    const struct way *way, const struct inotify_event *event, struct news *news) {
    const uint32_t whole = IN_CLOSE_WRITE | IN_MOVED_TO;

    news->any = true;
    if ((event->mask & IN_Q_OVERFLOW) != 0)
        news->written = true;
    for (int i = 0; i < way->count && event->len > 0; i++) {
        const struct way_place *place = &way->places[i];
        if (event->wd != place->folder || strcmp(event->name, place->name) != 0)
            continue;
        news->exchanged |= (event->mask & (IN_MOVED_TO | IN_CREATE)) != 0;
        news->written |= way->whole && i == way->count - 1 && (event->mask & whole) != 0;
    }
}

/* Takes all events that wait. Returns 0 or -errno. */
static int take_events(const struct way *way, struct news *news, struct failure *why) {
    _Alignas(struct inotify_event) char buffer[4096];
    ssize_t size;

    while ((size = read(way->fd, buffer, sizeof buffer)) > 0)
        for (char *next = buffer; next < buffer + size;) {
            const struct inotify_event *event = (const struct inotify_event *)next;
            take_event(way, event, news);
            next += sizeof *event + event->len;
        }
    if (size < 0 && errno != EAGAIN && errno != EINTR)
        return failure(why, errno, "read(inotify)");
    return 0;
}

/* Looks at the file, since no event would tell. */
static bool look(struct config_watch *watch) {
    way_follow(&watch->way, watch->store->path);
    watch->next_look = watch->way.whole ? -1 : now_milliseconds() + LOOK_INTERVAL;
    struct config_seen seen = look_at(watch->store->path);
    if (seen.inode == 0 || is_same(&seen, &watch->store->seen))
        return false;
    bool at_rest = is_same(&seen, &watch->seen);
    watch->seen = seen;
    if (!at_rest)
        watch->next_look = now_milliseconds() + LOOK_INTERVAL;
    return at_rest;
}

int config_watch_next(struct config_watch *watch, struct failure *why) {
    struct news news = {.any = false};

    if (watch->way.fd < 0)
        return 0;
    int error = take_events(&watch->way, &news, why);
    if (error < 0)
        return error;
    if (!news.any)
        return watch->next_look >= 0 && watch->next_look <= now_milliseconds() && look(watch);
    bool another = way_follow(&watch->way, watch->store->path);
    if (another && news.exchanged)
        news.written = true; /* a link leads elsewhere, from one moment to the next */
    else if (another || !watch->way.whole)
        watch->next_look = now_milliseconds(); /* a folder is another one, maybe half full */
    return news.written && look_at(watch->store->path).inode != 0;
}

void config_watch_close(struct config_watch *watch) {
    way_close(&watch->way);
    watch->next_look = -1;
}

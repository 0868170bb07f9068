#include "way.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

int way_open(struct way *way, struct failure *why) {
    *way = (struct way){.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
    return way->fd < 0 ? failure(why, errno, "inotify_init1()") : 0;
}

/* Where the link at path leads; false when there is none. */
static bool read_link(const char *path, char link[PATH_MAX]) {
    ssize_t size = readlink(path, link, PATH_MAX - 1);

    link[size > 0 ? size : 0] = '\0';
    return size > 0;
}

/* Puts what a link says in the place of its name, path[start..end). Returns false when that is
 * too long. */
static bool replace(char path[PATH_MAX], size_t start, size_t end, const char *link) {
    char whole[2 * PATH_MAX];
    size_t kept = link[0] == '/' ? 0 : start;

    snprintf(whole, sizeof whole, "%.*s%s%s", (int)kept, path, link, path + end);
    if (strlen(whole) >= PATH_MAX)
        return false;
    strcpy(path, whole);
    return true;
}

/* Watches the folder path[0..start) for the name that begins there. */
static bool add_place(struct way *way, const char *path, size_t start) {
    struct way_place *place = &way->places[way->count];
    char folder[PATH_MAX];

    if (way->count == WAY_PLACES || strlen(path + start) > NAME_MAX)
        return false;
    snprintf(folder, sizeof folder, "%.*s", (int)start, path);
    strcpy(place->name, path + start);
    /* IN_MASK_ADD: a folder that is watched already gets nothing new. Without it the kernel
     * puts 0 in the place of the old mask, then the new one, and an event that comes in between
     * is lost: once in some 40,000 renames. */
    place->folder = inotify_add_watch(way->fd, folder,
        IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_MOVE_SELF | IN_ONLYDIR | IN_MASK_ADD);
    if (place->folder >= 0)
        way->count++;
    return place->folder >= 0;
}

/* Returns whether the whole way is watched. It ends: each link takes a place. */
static bool walk(struct way *way, char path[PATH_MAX]) {
    char link[PATH_MAX];
    size_t start = 1;

    for (;;) {
        size_t end = start + strcspn(path + start, "/");
        bool last = path[end] == '\0';
        path[end] = '\0'; /* up to this name */
        bool linked = read_link(path, link);
        if ((linked || last) && !add_place(way, path, start))
            return false;
        if (last && !linked)
            return true;
        if (!last)
            path[end] = '/';
        if (linked && !replace(path, start, end, link))
            return false;
        start = linked ? 1 : end + 1;
    }
}

static bool is_watched(const struct way *way, int folder) {
    for (int i = 0; i < way->count; i++)
        if (way->places[i].folder == folder)
            return true;
    return false;
}

static bool is_same(const struct way *one, const struct way *other) {
    if (one->count != other->count)
        return false;
    for (int i = 0; i < one->count; i++)
        if (one->places[i].folder != other->places[i].folder ||
            strcmp(one->places[i].name, other->places[i].name) != 0)
            return false;
    return true;
}

bool way_follow(struct way *way, const char *path) {
    const struct way before = *way;
    char rest[PATH_MAX];

    snprintf(rest, sizeof rest, "%s", path);
    way->count = 0;
    way->whole = walk(way, rest);
    for (int i = 0; i < before.count; i++)
        if (!is_watched(way, before.places[i].folder))
            inotify_rm_watch(
                way->fd, before.places[i].folder); /* fails if the folder is gone */
    return !is_same(way, &before);
}

void way_close(struct way *way) {
    if (way->fd >= 0)
        close(way->fd);
    way->fd = -1;
}

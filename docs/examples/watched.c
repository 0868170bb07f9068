#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

static const struct {
    unsigned int bit;
    const char *name;
} names[] = {
    {IN_MODIFY, "IN_MODIFY"},
    {IN_ATTRIB, "IN_ATTRIB"},
    {IN_CLOSE_WRITE, "IN_CLOSE_WRITE"},
    {IN_MOVED_TO, "IN_MOVED_TO"},
    {IN_CREATE, "IN_CREATE"},
    {IN_DELETE_SELF, "IN_DELETE_SELF"},
};
enum { NAMES = sizeof names / sizeof names[0] };

int main(int argc, char *argv[]) {
    _Alignas(struct inotify_event) char buffer[4096];
    unsigned int mask = 0;
    int fd = inotify_init1(IN_NONBLOCK);

    for (int i = 0; i < NAMES; i++)
        mask |= names[i].bit;
    if (argc < 3 || inotify_add_watch(fd, argv[1], mask) < 0 || system(argv[2]) != 0)
        return 1;
    ssize_t size = read(fd, buffer, sizeof buffer);
    for (char *next = buffer; next < buffer + size;) {
        const struct inotify_event *event = (const struct inotify_event *)next;
        for (int i = 0; i < NAMES; i++)
            if (event->mask & names[i].bit)
                printf("%s ", names[i].name);
        printf("%s\n", event->len > 0 ? event->name : "");
        next += sizeof *event + event->len;
    }
    return 0;
}

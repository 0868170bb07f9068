#include "wake.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int wake_open(struct wake *wake, struct failure *why) {
    wake->asked = 0;
    wake->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return wake->fd < 0 ? failure(why, errno, "eventfd()") : 0;
}

void wake_send(struct wake *wake, unsigned what) {
    const uint64_t one = 1;

    if (wake->fd < 0)
        return;
    atomic_fetch_or(&wake->asked, what);
    /* It could only fail if 2^64 others had been before it: then it is readable. eventfd(2). */
    (void)!write(wake->fd, &one, sizeof one);
}

unsigned wake_take(struct wake *wake) {
    uint64_t times;

    /* First the descriptor: what is asked for after it, makes it readable again. */
    (void)!read(wake->fd, &times, sizeof times);
    return atomic_exchange(&wake->asked, 0);
}

void wake_close(struct wake *wake) {
    if (wake->fd >= 0)
        close(wake->fd);
    wake->fd = -1;
}

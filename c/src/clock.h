/* clock - the time that deadlines are measured in. */
#ifndef LABD_CLOCK_H
#define LABD_CLOCK_H

#include <time.h>

/* now_milliseconds - of CLOCK_MONOTONIC: the wall clock may jump, clock_gettime(2). */
static inline long long now_milliseconds(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* timespec_of - such a time as the C library takes it. */
static inline struct timespec timespec_of(long long milliseconds) {
    return (struct timespec){
        .tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000};
}

#endif

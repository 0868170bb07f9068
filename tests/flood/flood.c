/*
 * flood - log numbered lines as fast as asked, until SIGTERM; open the log again at SIGUSR1.
 *
 * usage: flood LOG LINES-A-SECOND
 *
 * Prints how many lines it logged, and how many were lost. Twin of flood.py.
 */
#include "clock.h"
#include "log.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static bool arrived(int number) {
    sigset_t set;
    struct timespec now = {0};

    sigemptyset(&set);
    sigaddset(&set, number);
    return sigtimedwait(&set, NULL, &now) == number;
}

int main(int argc, char *argv[]) {
    struct log log;
    struct failure why;
    sigset_t set;
    long long began = now_milliseconds();
    int number = 0, rate = argc == 3 ? atoi(argv[2]) : 0;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    if (rate <= 0 || log_open(&log, argv[1], "info", &why) < 0)
        return 1;
    while (!arrived(SIGTERM)) {
        if (arrived(SIGUSR1) && log_reopen(&log, &why) < 0)
            return 1;
        long long due = (now_milliseconds() - began) * rate / 1000 - number;
        for (long long i = 0; i < due && i < rate / 100; i++) /* then look for signals again */
            log_event(&log, "info", "flood", "{s:i}", "number", number++);
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    printf("%d %lu\n", number, log.lost);
    log_close(&log);
    return 0;
}

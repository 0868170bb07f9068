/* Fork bombs that cannot do lasting harm, whatever becomes of who should end them: at most MOST
 * forks in all, none after 3 s, and every process ends after 5 s.
 *
 * usage: bomb WAY
 *   plain    every process forks as fast as it can
 *   setsid   and each in a session of its own
 *   deaf     and each ignores and blocks every signal that can be
 *   runaway  one process at a time: it forks and ends, so that its number is always another
 *   elope    runaway, each in a session of its own
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 3000, FORKING = 3, LIFE = 5 };

static double now(void) {
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void deafen(void) {
    sigset_t all;

    for (int number = 1; number <= SIGRTMAX; number++)
        if (number != SIGALRM)
            signal(number, SIG_IGN);
    sigfillset(&all);
    sigdelset(&all, SIGALRM);
    sigprocmask(SIG_SETMASK, &all, NULL);
}

int main(int argc, char *argv[]) {
    const char *way = argc == 2 ? argv[1] : "";
    bool runaway = strcmp(way, "runaway") == 0 || strcmp(way, "elope") == 0;
    bool session = strcmp(way, "setsid") == 0 || strcmp(way, "elope") == 0;
    bool deaf = strcmp(way, "deaf") == 0;
    double end = now() + FORKING;
    atomic_int *forks =
        mmap(NULL, sizeof *forks, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (forks == MAP_FAILED)
        return 1;
    printf("ready\n");
    fflush(stdout);
    alarm(LIFE);
    if (deaf)
        deafen();
    while (now() < end && atomic_fetch_add(forks, 1) < MOST) {
        pid_t pid = fork();
        if (pid < 0)
            break;
        if (pid == 0) {
            alarm(LIFE);
            if (session)
                setsid();
            if (runaway)
                usleep(1000);
        } else if (runaway)
            _exit(0);
    }
    for (;;)
        pause();
}

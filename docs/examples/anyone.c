#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static pthread_barrier_t begun;

static void *work(void *unused) {
    (void)unused;
    pthread_barrier_wait(&begun);
    pause();
    return NULL;
}

int main(int argc, char *argv[]) {
    pthread_t worker;
    sigset_t all;

    (void)argv;
    sigfillset(&all);
    pthread_barrier_init(&begun, NULL, 2);
    if (argc > 1) /* "first": then the worker inherits it */
        pthread_sigmask(SIG_SETMASK, &all, NULL);
    pthread_create(&worker, NULL, work, NULL);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    pthread_barrier_wait(&begun);
    puts("main: every signal is blocked");
    fflush(stdout);
    kill(getpid(), SIGUSR2);
    puts("main: it waits for whoever asks for it");
}

#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t taken;

/* As malloc(3) does it inside, only longer. */
static void *work(void *nothing) {
    pthread_mutex_lock(&lock);
    pthread_barrier_wait(&taken);
    pause();
    return nothing;
}

int main(void) {
    pthread_t thread;

    pthread_barrier_init(&taken, NULL, 2);
    pthread_create(&thread, NULL, work, NULL);
    pthread_barrier_wait(&taken);
    if (fork() == 0) {
        printf("child: the lock is %s\n", pthread_mutex_trylock(&lock) == 0 ? "free" : "taken");
        fflush(stdout);
        execlp("sh", "sh", "-c", "grep Threads /proc/$$/status", (char *)NULL);
    }
    wait(NULL);
    return 0;
}

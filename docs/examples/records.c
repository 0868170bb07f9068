#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

int main(void) {
    struct signalfd_siginfo info;
    sigset_t wanted;

    sigemptyset(&wanted);
    sigaddset(&wanted, SIGUSR1);
    sigaddset(&wanted, SIGUSR2);
    sigprocmask(SIG_BLOCK, &wanted, NULL);
    int fd = signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC);
    for (int i = 0; i < 5; i++)
        kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR2);
    while (read(fd, &info, sizeof info) == sizeof info)
        printf("signal %u\n", info.ssi_signo);
    printf("read(): %s\n", strerror(errno));
    return 0;
}

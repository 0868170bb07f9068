#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int try_listen(struct sockaddr_in *address) {
    socklen_t size = sizeof *address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (bind(fd, (struct sockaddr *)address, size) < 0 || listen(fd, 1) < 0)
        printf("bind(): %s\n", strerror(errno));
    else
        puts("listening");
    fflush(stdout);
    /* The port that we were given, when we asked for any: */
    getsockname(fd, (struct sockaddr *)address, &size);
    return fd;
}

int main(void) {
    struct sockaddr_in address = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {0}};
    char command[64];

    int fd = try_listen(&address);
    pid_t child = fork();
    if (child == 0) {
        execlp("sleep", "sleep", "1000", (char *)NULL);
        _exit(127);
    }
    close(fd); /* the server ends, and wants to start again */
    close(try_listen(&address));
    snprintf(command, sizeof command, "readlink /proc/%d/fd/%d", child, fd);
    system(command);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(try_listen(&address));
    return 0;
}

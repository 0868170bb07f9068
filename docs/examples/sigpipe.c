#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char *argv[]) {
    int ends[2];

    if (argc > 1 && strcmp(argv[1], "ignore") == 0)
        signal(SIGPIPE, SIG_IGN);
    if (pipe(ends) < 0)
        return 1;
    close(ends[0]); /* the reader hangs up */
    if (write(ends[1], "hello", 5) < 0)
        printf("write(): %s\n", strerror(errno));
    return 0;
}

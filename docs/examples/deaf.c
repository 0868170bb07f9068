#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void leave(int number) {
    (void)number;
    write(STDOUT_FILENO, "told to leave: goodbye\n", 23);
    _exit(0);
}

int main(void) {
    char line[256];

    signal(SIGTERM, leave);
    kill(getpid(), SIGTERM);
    puts("told to leave, and still here:");
    FILE *status = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof line, status) != NULL) {
        if (strncmp(line, "ShdPnd", 6) == 0 || strncmp(line, "SigBlk", 6) == 0 ||
            strncmp(line, "SigCgt", 6) == 0)
            fputs(line, stdout);
    }
    return 0;
}

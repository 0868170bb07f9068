#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    printf("starting, ");
    pid_t child = fork();
    if (child == 0) {
        printf("says the child\n");
        return 0;
    }
    waitpid(child, NULL, 0);
    printf("says the parent\n");
    return 0;
}

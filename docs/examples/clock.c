#include <stdio.h>
#include <unistd.h>

int main(void) {
    for (int n = 1;; n++) {
        printf("tick %d\n", n);
        fflush(stdout);
        sleep(1);
    }
}

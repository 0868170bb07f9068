#define _GNU_SOURCE
#include <fcntl.h>
#include <unistd.h>

int main(void) {
    int plain = open("/dev/null", O_RDONLY);
    int secret = open("/dev/zero", O_RDONLY | O_CLOEXEC);

    if (plain < 0 || secret < 0)
        return 1;
    execlp("find", "find", "/proc/self/fd", "-lname", "/dev/[nz]*",
        "-printf", "%l\n", (char *)NULL);
    return 1;
}

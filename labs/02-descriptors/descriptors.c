/*
 * Lab 2, descriptors: your own module, yet to be written.
 *
 * The contract of each function stands above it, as in c/src/descriptors.h.
 * Write what is marked TODO, then run `make lab-2`: it shows yours beside the
 * reference. Functions of your own are welcome: make them static.
 */

#include "descriptors.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/*
 * descriptors_close - close every inherited descriptor above 2.
 *
 * To be called before we open anything of our own. All of them, also those
 * above the soft RLIMIT_NOFILE: a limit lowered after a file was opened does
 * not close it. Where close_range(2) is missing (ENOSYS) or forbidden (EPERM,
 * by a seccomp filter), it walks /proc/self/fd instead.
 *
 * Of 0, 1 and 2, those that came closed are opened on /dev/null, so that no
 * file of ours can ever take their number and be written to by mistake; those
 * that came open are left alone, for messages still go there.
 *
 * Returns 0 or -errno. daemon(7) step 1; close_range(2), proc_pid_fd(5).
 */
int descriptors_close(struct failure *why) {
    /* TODO: do what the contract above says. */
    return failure_todo(why, __func__);
}

/*
 * descriptors_null - put 0, 1 and 2 on /dev/null.
 *
 * 0 for reading only, 1 and 2 for writing only, none of them close-on-exec.
 * The file opened must really be the null device (character device 1:3 by
 * fstat(2)), else -ENODEV: in a broken chroot /dev/null may be a plain file
 * that grows. descriptors_close has run before: 0, 1 and 2 are open.
 *
 * Returns 0 or -errno. daemon(7) step 9; null(4), dup2(2).
 */
int descriptors_null(struct failure *why) {
    /* TODO: do what the contract above says. */
    return failure_todo(why, __func__);
}

/*
 * descriptors_open - open(2) for every file of our own.
 *
 * Adds O_CLOEXEC, so that no program we start inherits it (fcntl(2) after the
 * open would be too late in a process with threads), and O_NOCTTY, so that a
 * path that turns out to be a terminal does not become ours.
 * mode counts only with O_CREAT, as for open(2).
 *
 * Returns the descriptor, owned by the caller, or -errno. open(2).
 */
int descriptors_open(const char *path, int flags, mode_t mode, struct failure *why) {
    (void)path;
    (void)flags;
    (void)mode;
    /* TODO: do what the contract above says. */
    return failure_todo(why, __func__);
}

/*
 * Lab 4, pidfile: your own module, yet to be written.
 *
 * The contract of each function stands above it, as in c/src/pidfile.h.
 * Write what is marked TODO, then run `make lab-4`: it shows yours beside the
 * reference. Functions of your own are welcome: make them static.
 */

#include "pidfile.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * pidfile_acquire - become the one daemon that owns the file at path, or fail.
 *
 * To be called in the process that will live, after the last fork(2). In this
 * order:
 *
 * 1. Open the folder (O_DIRECTORY). One that everybody may write to is refused
 *    with -EPERM, sticky or not: anybody could put a file there first.
 * 2. Make the file in it (O_CREAT, O_EXCL, mode 0644), or, where there is one
 *    already, open that; so that we know whether it is of our making. O_RDWR,
 *    O_CLOEXEC, O_NOFOLLOW, O_NONBLOCK (a FIFO must not make us wait). A
 *    symbolic link gives -ELOOP. What is not a regular file, or has another
 *    name too, is refused with -EINVAL.
 * 3. flock(2), exclusive, without waiting. Held by another: the exit code is
 *    EXIT_ALREADY_RUNNING, the text names the number that the file holds, and
 *    -EWOULDBLOCK is returned. (Who looks just as the holder takes over, before
 *    its step 5, still reads the number that was there, or none.)
 * 4. Look whether the path still leads to the file we locked (device and
 *    inode): its last owner may have removed it between our open and our lock.
 *    If not, close it and begin again at 2.
 * 5. Remember what the file held, and truncate it at once. Give it the mode
 *    0644, whatever the umask is and whatever mode it had: who may write the
 *    number decides whom root will signal. Write our number and a newline,
 *    fsync(2).
 *
 * On failure nothing is left open, and a file that we made is removed, unless
 * another holds its lock: then it is the other's. One that we had locked is
 * removed in any case.
 * Returns 0 or -errno. daemon(7) step 12; flock(2), open(2), fstat(2), fchmod(2).
 */
int pidfile_acquire(struct pidfile *pidfile, const char *path, struct failure *why) {
    (void)pidfile;
    (void)path;
    /* TODO: do what the contract above says. */
    return failure_todo(why, __func__);
}

/*
 * pidfile_release - remove the file, if it is ours, and then let the lock go.
 *
 * Only the process that took the lock removes it, and only while the path
 * still leads to the locked file: never another's. In this order, for between
 * the two another daemon may come: the file it has opened is then gone from
 * its path, and it begins again (step 4 above).
 * Does nothing when there is no PID file.
 */
void pidfile_release(struct pidfile *pidfile) {
    (void)pidfile;
    /* TODO: do what the contract above says. */
}

/*
 * leftover - what a daemon that was killed has left running, and how it is known.
 *
 * A process number tells nothing after a crash: it may be a stranger's by now.
 * But each job writes into a FIFO of its own, fifo(7), which lies in a folder
 * while the job runs. As long as that file is there, no other can have its
 * inode: whoever has it open as 1 or 2 belongs to that job.
 *
 * One that has sent its output elsewhere is found only if another of its process
 * group has not. What holds them all is a control group, cgroups(7).
 */
#ifndef LABD_LEFTOVER_H
#define LABD_LEFTOVER_H

/*
 * leftover_end - SIGKILL to all who have one of the FIFOs in the folder open, and to their
 * groups.
 *
 * Waits until they have ended, for at most five seconds; then removes the FIFOs.
 * Looks at nobody when there is none. Returns how many processes it found.
 */
int leftover_end(int folder);

#endif

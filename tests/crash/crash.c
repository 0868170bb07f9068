/* crash N COMMAND… - run a command, and kill it with SIGKILL just before the Nth of the calls
 * below that one of its threads makes, from its first mkdirat(2) on, with which a daemon of
 * ours opens its spool. What it starts runs on. Exits with 9 when it killed, else with the
 * command's exit code; SIGTERM is passed on to the command. ptrace(2). */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t command;

/* All that changes files or processes: between two of these nothing else can be seen. */
static const long calls[] = {SYS_symlinkat, SYS_renameat2, SYS_unlinkat, SYS_unlink,
    SYS_mkdirat, SYS_mkdir, SYS_openat, SYS_write, SYS_writev, SYS_pwrite64, SYS_ftruncate,
    SYS_fsync, SYS_fdatasync, SYS_fallocate, SYS_clone, SYS_clone3, SYS_vfork, SYS_kill,
    SYS_wait4};

static void pass_on(int number) {
    kill(command, number);
}

static int counts(pid_t thread) {
    static int begun;
    struct __ptrace_syscall_info info;

    if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, (void *)sizeof info, &info) <= 0 ||
        info.op != PTRACE_SYSCALL_INFO_ENTRY)
        return 0;
    begun |= info.entry.nr == SYS_mkdirat;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (begun && (long)info.entry.nr == calls[i])
            return 1;
    return 0;
}

static void begin(char *argv[]) {
    command = fork();
    if (command == 0) {
        raise(SIGSTOP);
        execvp(argv[0], argv);
        _exit(127);
    }
    waitpid(command, NULL, WUNTRACED);
    ptrace(PTRACE_SEIZE, command, NULL,
        PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC);
    kill(command, SIGCONT);
}

/* The signal that a stop of the thread is to bring it, if any. */
static int delivered(int status) {
    int number = WSTOPSIG(status);

    return status >> 16 != 0 || number == (SIGTRAP | 0x80) ? 0 : number;
}

int main(int argc, char *argv[]) {
    long left = argc > 2 ? atol(argv[1]) : 0;
    int status, killed = 0;
    pid_t thread;

    if (argc < 3)
        return 2;
    signal(SIGTERM, pass_on);
    begin(argv + 2);
    while ((thread = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
        if (thread == command && (WIFEXITED(status) || WIFSIGNALED(status)))
            return killed ? 9 : WIFEXITED(status) ? WEXITSTATUS(status) : 1;
        if (thread < 0 || !WIFSTOPPED(status))
            continue;
        if (WSTOPSIG(status) == (SIGTRAP | 0x80) && !killed && counts(thread) && --left == 0)
            killed = kill(command, SIGKILL) == 0;
        ptrace(PTRACE_SYSCALL, thread, NULL, delivered(status));
    }
    return 2;
}

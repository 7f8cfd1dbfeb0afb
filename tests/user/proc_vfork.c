// A vfork child that computes for long before it leaves: it has one thread all the while, and its parent is none the worse.
#include "sys.h"
#include <dirent.h>

static volatile unsigned long seen;
static void compute(unsigned long x, long n) {
    for (long i = 0; i < n; i++) x = x * 6364136223846793005u + (x >> 7);
    seen = x;
}
static int threads(void) {
    DIR *d = opendir("/proc/self/task");
    int n = 0;
    for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static int leave(void *code) { _exit((long)code); }
static int who(void *unused) { _exit(getuid() == 65534 ? 1 : 2); }

int main(void) {
    int status;
    pid_t child = vfork();
    if (!child) {
        compute(1, 20000000);
        _exit(10 + threads());
    }
    waitpid(child, &status, 0);
    SAY("threads of the child: %d, result %lx", WEXITSTATUS(status) - 10, seen);
    for (int i = 0; i < 20; i++) {
        if (!(child = vfork())) {
            compute(i, 100000);
            execl("/no/such/file", "x", NULL);
            _exit(i);
        }
        waitpid(child, &status, 0);
        SAY("child %d: %d, result %lx", i, WEXITSTATUS(status), seen);
    }
    compute(2, 20000000);
    SAY("result %lx", seen);

    static char stack[65536] __attribute__((aligned(16)));
    int pidfd = -1;
    child = clone(leave, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, (void *)7, &pidfd);
    struct pollfd p = {pidfd, POLLIN};
    SAY("child %d descriptor %d", child > 0, pidfd > 2);
    SHOW(poll(&p, 1, 1000));
    siginfo_t info;
    SHOW(waitid(P_PIDFD, pidfd, &info, WEXITED));
    SAY("the same %d, status %d", info.si_pid == child, info.si_status);
    child = clone(who, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_NEWUSER | SIGCHLD, NULL);
    SAY("another name space %d", child > 0);
    if (child > 0) {
        waitpid(child, &status, 0);
        SAY("status %d", WEXITSTATUS(status));
    }
    return 0;
}

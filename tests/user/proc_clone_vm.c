// clone with CLONE_VM but neither CLONE_VFORK nor CLONE_THREAD: another process in the same memory, running at the same time.
#include "sys.h"
#include <stdatomic.h>

static atomic_int turn, seen_by_child, handled;
static int written_fd = -1;
static pid_t parent;

static int ping_pong(void *arg) {
    for (int i = 0; i < 200; i++) {
        while (atomic_load(&turn) != 2 * i + 1) sched_yield();
        atomic_store(&turn, 2 * i + 2);
    }
    seen_by_child = getppid() == parent && getpid() != parent;
    return (int)(long)arg;
}

static void on_usr1(int s) { handled += s == SIGUSR1; }

static int changes_action(void *arg) {
    (void)arg;
    signal(SIGUSR1, SIG_IGN);
    return 3;
}

static int opens_file(void *arg) {
    (void)arg;
    written_fd = open("/dev/null", O_WRONLY);
    return 4;
}

static int executes(void *arg) {
    turn = 77;
    execl("/proc/self/exe", "again", "7", (char *)0);
    return 9;
}

static pid_t make(int (*f)(void *), int flags, void *arg, pid_t *ptid, pid_t *ctid) {
    char *stack = malloc(1 << 18);
    return clone(f, stack + (1 << 18), flags, arg, ptid, (void *)0, ctid);
}

static int ended(pid_t p) {
    int st;
    if (waitpid(p, &st, 0) != p) return -1;
    return WIFEXITED(st) ? WEXITSTATUS(st) : -WTERMSIG(st);
}

int main(int argc, char **argv) {
    if (argc > 1) return atoi(argv[1]);
    parent = getpid();
    pid_t p = make(ping_pong, CLONE_VM | SIGCHLD, (void *)5, 0, 0);
    for (int i = 0; i < 200; i++) {
        atomic_store(&turn, 2 * i + 1);
        while (atomic_load(&turn) != 2 * i + 2) sched_yield();
    }
    int status = ended(p);
    SAY("ping pong: %d, child %d, turn %d", status, seen_by_child, turn);

    pid_t told = 0, own = 0;
    p = make(ping_pong, CLONE_VM | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, (void *)6, &told, &own);
    int known = told == p;
    for (int i = 0; i < 200; i++) {
        atomic_store(&turn, 2 * i + 1);
        while (atomic_load(&turn) != 2 * i + 2) sched_yield();
    }
    SAY("ids: %d %d, %d", known, own == p, ended(p));

    signal(SIGUSR1, on_usr1);
    p = make(changes_action, CLONE_VM | SIGCHLD, 0, 0, 0);
    SAY("own actions: %d", ended(p));
    raise(SIGUSR1);
    SAY("handled %d", handled);
    p = make(changes_action, CLONE_VM | CLONE_SIGHAND | SIGCHLD, 0, 0, 0);
    SAY("shared actions: %d", ended(p));
    raise(SIGUSR1);
    SAY("handled %d", handled);

    p = make(opens_file, CLONE_VM | SIGCHLD, 0, 0, 0);
    SAY("own files: %d", ended(p));
    SAY("write %zd", write(written_fd, "x", 1));
    p = make(opens_file, CLONE_VM | CLONE_FILES | SIGCHLD, 0, 0, 0);
    SAY("shared files: %d", ended(p));
    SAY("write %zd", write(written_fd, "x", 1));

    p = make(executes, CLONE_VM | SIGCHLD, 0, 0, 0);
    int code = ended(p);
    SAY("executed: %d, turn %d", code, turn);

    // One that is killed while it waits.
    turn = 0;
    p = make(ping_pong, CLONE_VM | SIGCHLD, 0, 0, 0);
    kill(p, SIGKILL);
    SAY("killed: %d", ended(p));
    // A fork's child of one of two.
    p = make(ping_pong, CLONE_VM | SIGCHLD, 0, 0, 0);
    pid_t q = fork();
    if (!q) _exit(turn == 0 ? 8 : 1);
    SAY("fork beside: %d", ended(q));
    kill(p, SIGKILL);
    SAY("killed: %d", ended(p));
    return 0;
}

// Processes in the same memory that are killed at any moment: nobody may wait for what they held.
#include "sys.h"

enum { CODE = 4096, ROUNDS = 150 };
#ifdef __aarch64__
static const uint64_t function = 0xd65f03c0d503201f;  // nop; ret
#else
static const uint64_t function = 0xc390909090909090;  // nop...; ret
#endif
static uint64_t *code;
static char stack[1 << 18];

static void call(int i) { ((void (*)(void))(code + i))(); }
static void forget(void) { __builtin___clear_cache((char *)code, (char *)(code + CODE)); }

// Executes code that nobody has executed before,.
static int run(void *arg) {
    for (;;) {
        for (int i = 0; i < CODE; i++) call(i);
        forget();
    }
}

static int sleep_long(void *arg) {
    for (;;) pause();
}

static int stop(void *arg) {
    raise(SIGSTOP);
    return 1;
}

static int execute(void *arg) {
    execl("/proc/self/exe", "again", "sleep", (char *)0);
    return 9;
}

static int killed(int (*f)(void *), int signal, int wait_us) {
    pid_t p = clone(f, stack + sizeof stack, CLONE_VM | SIGCHLD, 0);
    if (wait_us) usleep(wait_us);
    if (f == stop) waitpid(p, 0, WUNTRACED);
    int st = -1;
    if (kill(p, signal) || waitpid(p, &st, 0) != p || !WIFSIGNALED(st)) return 1000;
    // Needs what it may have held.
    forget();
    call(wait_us % CODE);
    return WTERMSIG(st);
}

int main(int argc, char **argv) {
    alarm(60);
    if (argc > 1) for (;;) pause();
    code = mmap(0, CODE * 8, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < CODE; i++) code[i] = function;
    unsigned seed = 1;
    int signals[] = {SIGKILL, SIGTERM, SIGKILL, SIGUSR1};
    for (int s = 0; s < 4; s++) {
        int as_sent = 0;
        for (int i = 0; i < ROUNDS; i++) {
            seed = seed * 1103515245 + 12345;
            // The third time as they execute a program.
            int n = killed(s == 2 ? execute : run, signals[s], seed >> 16 & (s == 2 ? 0xfff : 0x3ff));
            as_sent += n == signals[s];
        }
        SAY("signal %d: %d of %d", signals[s], as_sent, ROUNDS);
    }
    SAY("asleep: %d %d", killed(sleep_long, SIGKILL, 1000), killed(sleep_long, SIGTERM, 1000));
    SAY("stopped: %d", killed(stop, SIGKILL, 0));
    // A fork asks for every lock.
    pid_t q = fork();
    if (!q) _exit(8);
    int st;
    waitpid(q, &st, 0);
    SAY("forked: %d", WEXITSTATUS(st));
    return 0;
}

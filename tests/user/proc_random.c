// Address-space randomisation: where stack, mappings, heap and a position-independent program are, differs from run to run, and does
// not with personality(ADDR_NO_RANDOMIZE). (Built as a static, not position-independent program: its text stays.)
#include "sys.h"
#include <sys/personality.h>

enum { STACK, MMAP, HEAP, TEXT, PLACES, RUNS = 6 };
static const char *const name[PLACES] = {"stack", "mmap", "heap", "text"};

static void where(unsigned long *at) {
    at[STACK] = (unsigned long)__builtin_frame_address(0);
    at[MMAP] = (unsigned long)mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    at[HEAP] = (unsigned long)sbrk(0);
    at[TEXT] = (unsigned long)where;
}

static void run(int fixed, unsigned long *at) {
    int p[2];
    if (pipe(p)) exit(9);
    pid_t pid = fork();
    if (!pid) {
        if (fixed) personality(ADDR_NO_RANDOMIZE);
        dup2(p[1], 1);
        execl("/proc/self/exe", "again", "child", (char *)0);
        _exit(8);
    }
    close(p[1]);
    size_t got = 0;
    for (ssize_t n; got < PLACES * sizeof *at && (n = read(p[0], (char *)at + got, PLACES * sizeof *at - got)) > 0;) got += n;
    close(p[0]);
    int st;
    waitpid(pid, &st, 0);
    if (st || got != PLACES * sizeof *at) { SAY("child failed %x %zu", st, got); exit(7); }
}

int main(int argc, char **argv) {
    unsigned long at[RUNS][PLACES];
    if (argc > 1) {
        where(at[0]);
        return write(1, at[0], sizeof at[0]) != sizeof at[0];
    }
    for (int fixed = 0; fixed < 2; fixed++) {
        for (int i = 0; i < RUNS; i++) run(fixed, at[i]);
        for (int k = 0; k < PLACES; k++) {
            int same = 0;
            for (int i = 1; i < RUNS; i++) same += at[i][k] == at[0][k];
            // By chance two of them may agree, all cannot.
            SAY("%s: %s %s", fixed ? "fixed" : "random", name[k], same == RUNS - 1 ? "stays" : "moves");
        }
    }
    return 0;
}

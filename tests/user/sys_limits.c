// Limits on memory: read back, obeyed, inherited across fork and execve, and lifted again.
#include "sys.h"
#include <sys/resource.h>

static void try(const char *who) {
    struct rlimit l;
    getrlimit(RLIMIT_AS, &l);
    printf("%s: address space %ld,", who, (long)l.rlim_cur);
    void *big = mmap(NULL, 3ul << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf(" big %s,", big == MAP_FAILED ? strerrorname_np(errno) : "mapped");
    if (big != MAP_FAILED) munmap(big, 3ul << 30);
    char *small = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf(" small %s,", small == MAP_FAILED ? strerrorname_np(errno) : "mapped");
    // over itself it costs nothing
    printf(" again %d,", mmap(small, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == small);
    void *grown = mremap(small, 1 << 20, 3ul << 30, MREMAP_MAYMOVE);
    printf(" grown %s,", grown == MAP_FAILED ? strerrorname_np(errno) : "mapped");
    if (grown == MAP_FAILED) munmap(small, 1 << 20);
    else munmap(grown, 3ul << 30);
    getrlimit(RLIMIT_DATA, &l);
    printf(" data %ld,", (long)l.rlim_cur);
    char *end = sbrk(0);
    printf(" heap %s\n", sbrk(200 << 20) == (void *)-1 ? strerrorname_np(errno) : "grows");
    brk(end);
    fflush(stdout);
}

int main(int argc, char **argv) {
    if (argc > 1) {
        try("program started by a limited one");
        struct rlimit l = {RLIM_INFINITY, RLIM_INFINITY};
        getrlimit(RLIMIT_AS, &l);
        l.rlim_cur = l.rlim_max;
        SHOW(setrlimit(RLIMIT_AS, &l));
        try("lifted");
        return 0;
    }
    struct rlimit as, data;
    getrlimit(RLIMIT_AS, &as);
    getrlimit(RLIMIT_DATA, &data);
    try("without limits");
    as.rlim_cur = 2ul << 30;
    data.rlim_cur = 100 << 20;
    SHOW(setrlimit(RLIMIT_AS, &as));
    SHOW(setrlimit(RLIMIT_DATA, &data));
    try("limited");
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        try("child");
        execl("/proc/self/exe", "again", "x", NULL);
        _exit(1);
    }
    int status;
    waitpid(child, &status, 0);
    SAY("status %d", WEXITSTATUS(status));
    return 0;
}

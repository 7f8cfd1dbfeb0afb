// Keys of pointer authentication: what keeps them, what renews them, what prctl does to them. Prints what is wrong.
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(what) do { if (!(what)) { printf("line %d: %s\n", __LINE__, #what); bad = 1; } } while (0)
static int bad;

#define SIGN(name, op) \
    static uint64_t name(uint64_t p, uint64_t m) { \
        register uint64_t x0 asm("x0") = p, x1 asm("x1") = m; \
        asm volatile(".inst " #op : "+r"(x0) : "r"(x1)); \
        return x0; \
    }
SIGN(pacia, 0xdac10020)
SIGN(pacib, 0xdac10420)
SIGN(pacda, 0xdac10820)
SIGN(autia, 0xdac11020)
SIGN(xpaci, 0xdac143e0)

static uint64_t pacga(uint64_t p, uint64_t m) {
    register uint64_t x0 asm("x0") = p, x1 asm("x1") = m;
    asm volatile(".inst 0x9ac13000" : "+r"(x0) : "r"(x1));
    return x0;
}

// Several codes in one number: seven bits alone may be equal by chance.
static uint64_t codes(uint64_t (*sign)(uint64_t, uint64_t)) {
    uint64_t h = 0;
    for (int i = 0; i < 9; i++) h = h << 7 | (sign(0x123450, i) >> 48 & 0x7f);
    return h;
}

static void *thread(void *ia) {
    *(uint64_t *)ia = codes(pacia);
    return 0;
}

int main(int argc, char **argv) {
    if (argc > 1) { // as the program that execve starts
        printf("%lx %lx\n", pacga(1, 2), codes(pacia));
        return 0;
    }
    unsigned long hwcap = getauxval(AT_HWCAP);
    CHECK(hwcap >> 30 & 1);
    CHECK(hwcap >> 31 & 1);
    uint64_t p = 0x7f1234567890;
    CHECK(autia(pacia(p, 5), 5) == p);
    CHECK(xpaci(pacia(p, 5), 0) == p);
    CHECK(pacga(1, 2) << 32 == 0);
    uint64_t ia = codes(pacia), ib = codes(pacib), da = codes(pacda), ga = pacga(1, 2);
    CHECK(ia != ib && ia != da && ib != da);

    uint64_t other = 0;
    pthread_t t;
    pthread_create(&t, 0, thread, &other);
    pthread_join(t, 0);
    CHECK(other == ia);
    int status = 1;
    if (fork() == 0) _exit(codes(pacia) == ia && pacga(1, 2) == ga ? 0 : 1);
    wait(&status);
    CHECK(status == 0);

    FILE *f;
    char line[100] = "", mine[100];
    snprintf(mine, sizeof mine, "%lx %lx\n", ga, ia);
    int fd[2];
    CHECK(pipe(fd) == 0);
    if (fork() == 0) {
        dup2(fd[1], 1);
        execl("/proc/self/exe", "pauth", "again", (char *)0);
        _exit(1);
    }
    close(fd[1]);
    f = fdopen(fd[0], "r");
    CHECK(fgets(line, sizeof line, f) != 0 && strlen(line) > 10);
    CHECK(strcmp(line, mine) != 0);
    wait(&status);

    // PR_PAC_RESET_KEYS 54: the generic key alone, then all.
    CHECK(prctl(54, 16, 0, 0, 0) == 0);
    CHECK(pacga(1, 2) != ga && codes(pacia) == ia && codes(pacib) == ib);
    CHECK(prctl(54, 1, 0, 0, 0) == 0);
    CHECK(codes(pacia) != ia && codes(pacib) == ib);
    CHECK(prctl(54, 0, 0, 0, 0) == 0);
    CHECK(codes(pacib) != ib && codes(pacda) != da);
    CHECK(prctl(54, 32, 0, 0, 0) == -1 && errno == EINVAL);
    CHECK(prctl(54, 1, 1, 0, 0) == -1 && errno == EINVAL);

    // PR_PAC_SET_ENABLED_KEYS 60, PR_PAC_GET_ENABLED_KEYS 61.
    // (That a single code is 0 happens once in 128 times.)
    ia = codes(pacia), ib = codes(pacib);
    CHECK(prctl(61, 0, 0, 0, 0) == 15);
    CHECK(prctl(60, 3, 2, 0, 0) == 0);
    CHECK(prctl(61, 0, 0, 0, 0) == 14);
    CHECK(pacia(p, 5) == p && codes(pacia) == 0);
    CHECK(ib != 0 && codes(pacib) == ib);
    CHECK(prctl(60, 1, 1, 0, 0) == 0);
    CHECK(prctl(61, 0, 0, 0, 0) == 15);
    CHECK(ia != 0 && codes(pacia) == ia);
    CHECK(prctl(60, 1, 2, 0, 0) == -1 && errno == EINVAL);
    CHECK(prctl(60, 16, 0, 0, 0) == -1 && errno == EINVAL);
    puts(bad ? "failed" : "ok");
    return bad;
}

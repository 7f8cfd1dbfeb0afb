// Threads that map pages, write code there, run it and unmap them: the same addresses hold other code all the time.
#include "sys.h"
#include <pthread.h>

#define ROUNDS 3000
static int wrong;

static char *put(char *at, unsigned k) {
#ifdef __aarch64__
    unsigned *w = (unsigned *)at;
    w[0] = 0x52800000 | (k & 0xffff) << 5;  // mov w0, #k
    w[1] = 0xd65f03c0;                      // ret
    __builtin___clear_cache((char *)w, (char *)(w + 2));
#else
    at[0] = 0xb8;  // mov eax, k
    memcpy(at + 1, &(unsigned){k & 0xffff}, 4);
    at[5] = 0xc3;  // ret
#endif
    return at;
}

static void *work(void *n) {
    unsigned k = (uintptr_t)n * 7919;
    for (int i = 0; i < ROUNDS; i++) {
        size_t size = 4096 * (1 + i % 3);
        char *page = mmap(NULL, size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (int j = 0; j < 4; j++) {
            unsigned (*f)(void) = (unsigned (*)(void))put(page + j * 64, ++k);
            for (int r = 0; r < 1 + i % 40; r++)
                if (f() != (k & 0xffff)) __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
        }
        munmap(page, size);
    }
    return NULL;
}

int main(void) {
    pthread_t t[4];
    for (uintptr_t i = 0; i < 4; i++) pthread_create(&t[i], NULL, work, (void *)(i + 1));
    for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
    SAY("wrong %d", wrong);
    return 0;
}

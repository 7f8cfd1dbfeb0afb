// Code that one thread rewrites while others run it: who has seen that the new code is there runs the new code.
#include "sys.h"
#include <pthread.h>

#define ROUNDS 30000
static volatile unsigned *code;
static unsigned version;
static int stale;

// A function that returns k: one aligned word changes.
static void patch(unsigned k) {
#ifdef __aarch64__
    __atomic_store_n(code, 0x52800000 | (k & 0xffff) << 5, __ATOMIC_RELEASE);  // mov w0, #k
#else
    __atomic_store_n(code, k & 0xffff, __ATOMIC_RELEASE);  // the operand of mov eax, k
#endif
    __builtin___clear_cache((char *)code, (char *)(code + 1));
}

static void *runner(void *unused) {
    for (;;) {
        unsigned before = __atomic_load_n(&version, __ATOMIC_ACQUIRE);
#ifdef __aarch64__
        __asm__ volatile("isb" ::: "memory");
        unsigned (*f)(void) = (unsigned (*)(void))code;
#else
        unsigned (*f)(void) = (unsigned (*)(void))((char *)code - 1);
#endif
        if (f() < before) __atomic_fetch_add(&stale, 1, __ATOMIC_RELAXED);
        if (before >= ROUNDS) return NULL;
    }
}

int main(void) {
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
#ifdef __aarch64__
    code = (unsigned *)page;
    code[1] = 0xd65f03c0;  // ret
#else
    code = (unsigned *)(page + 64);
    page[63] = 0xb8;       // mov eax, imm32
    page[68] = 0xc3;       // ret
#endif
    patch(0);
    pthread_t t[2];
    for (int i = 0; i < 2; i++) pthread_create(&t[i], NULL, runner, NULL);
    for (unsigned k = 1; k <= ROUNDS; k++) {
        patch(k);
        __atomic_store_n(&version, k, __ATOMIC_RELEASE);
        if (k % 64 == 0) sched_yield();
    }
    for (int i = 0; i < 2; i++) pthread_join(t[i], NULL);
    SAY("stale %d", stale);
    return 0;
}

// Top-byte-ignore: an address with a tag works wherever the program itself uses it, calls included.
#include "sys.h"

#ifdef __aarch64__
#define TAG(p) ((void *)((uintptr_t)(p) | 0x5aul << 56))
#else
#define TAG(p) ((void *)(p))
#endif

static int words[64];
__attribute__((noinline)) static int twice(int x) { return 2 * x; }
static void on_signal(int sig) { SAY("signal %d", sig == SIGUSR1); }

int main(void) {
    volatile int *w = TAG(words);
    for (int i = 0; i < 64; i++) w[i] = i;
    memcpy(TAG(words + 32), TAG(words), 64);
    SAY("%d %d", words[40], w[33]);
    int (*volatile f)(int) = TAG(twice);
    int sum = 0;
    for (int i = 0; i < 1000; i++) sum += f(i);
    SAY("%d", sum);
    SAY("%d", __atomic_add_fetch((int *)TAG(words + 3), 4, __ATOMIC_SEQ_CST));
    signal(SIGUSR1, TAG(on_signal));
    raise(SIGUSR1);
    return 0;
}

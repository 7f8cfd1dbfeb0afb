// Chains of additions with carry whose destination is also a source: multi-word arithmetic as cryptographic code writes it.
#include "sys.h"

typedef uint64_t u64;

static void add3(u64 *a, const u64 *b) {
#if defined(__aarch64__)
    u64 x = a[0], y = a[1], z = a[2];
    asm("adds %0, %0, %3\n adcs %1, %1, %4\n adcs %2, %2, %5" : "+r"(x), "+r"(y), "+r"(z) : "r"(b[0]), "r"(b[1]), "r"(b[2]) : "cc");
    a[0] = x, a[1] = y, a[2] = z;
#else
    unsigned __int128 s = 0;
    for (int i = 0; i < 3; i++) { s += (unsigned __int128)a[i] + b[i]; a[i] = s; s >>= 64; }
#endif
}

static void sub3(u64 *a, const u64 *b) {
#if defined(__aarch64__)
    u64 x = a[0], y = a[1], z = a[2];
    asm("subs %0, %0, %3\n sbcs %1, %1, %4\n sbcs %2, %2, %5" : "+r"(x), "+r"(y), "+r"(z) : "r"(b[0]), "r"(b[1]), "r"(b[2]) : "cc");
    a[0] = x, a[1] = y, a[2] = z;
#else
    u64 borrow = 0;
    for (int i = 0; i < 3; i++) {
        unsigned __int128 d = (unsigned __int128)a[i] - b[i] - borrow;
        a[i] = d, borrow = (d >> 64) != 0;
    }
#endif
}

int main(void) {
    u64 seed = 1, a[3], b[3];
    for (int i = 0; i < 2000; i++) {
        for (int k = 0; k < 3; k++) {
            a[k] = seed = seed * 6364136223846793005 + 1442695040888963407;
            b[k] = seed = seed * 6364136223846793005 + 1442695040888963407;
            if (i % 3 == 0) b[k] |= 1ul << 63;
            if (i % 5 == 0) b[k] = ~a[k];
        }
        if (i & 1) add3(a, b); else sub3(a, b);
        if (i % 40 < 2) SAY("%016lx %016lx %016lx", a[2], a[1], a[0]);
        seed ^= a[0] + a[1] * 3 + a[2] * 7;
    }
    return 0;
}

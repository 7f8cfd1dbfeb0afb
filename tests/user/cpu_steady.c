// Indirect calls and computed jumps that go to one place for long enough to be followed by a trace, and then elsewhere.
#include "sys.h"

__attribute__((noinline)) static unsigned add(unsigned x) { return x + 3; }
__attribute__((noinline)) static unsigned mix(unsigned x) { return x * 2654435761u ^ x >> 7; }
__attribute__((noinline)) static unsigned turn(unsigned x) { return x << 5 | x >> 27; }

static unsigned (*volatile callee)(unsigned) = add;

static unsigned step(unsigned op, unsigned x) {
    static void *const where[] = {&&plus, &&minus, &&xored};
    goto *where[op];
plus:
    return x + op + 1;
minus:
    return x - 77;
xored:
    return x ^ 0x5a5a;
}

int main(void) {
    unsigned (*const all[])(unsigned) = {add, mix, turn};
    unsigned x = 1, y = 1;
    for (int round = 0; round < 9; round++) {
        callee = all[round % 3];
        // Long enough for a trace; then one stray call of another, and on.
        for (int i = 0; i < 40000; i++) {
            x = callee(x);
            y = step(round % 3, y);
            if (i == 30000) {
                callee = all[(round + 1) % 3];
                x = callee(x);
                y = step((round + 1) % 3, y);
                callee = all[round % 3];
            }
        }
        SAY("%u %u", x, y);
    }
    return 0;
}

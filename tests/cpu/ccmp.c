// CCMP and CCMN, and what asks for the flags that they leave: each condition, each constant, each condition that asks, in the forms B.cond,
// CSEL, CSET, another CCMP, and MRS NZCV. Writes the instructions itself; a line for each pair of conditions, a hash of the results.
// Build: aarch64-linux-gnu-gcc -O1 -static ccmp.c; what QEMU 11.1.3 prints is in ccmp.txt.
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

typedef uint64_t function(uint64_t a, uint64_t b, uint64_t flags);

static uint32_t *code, *at;

static void word(uint32_t w) { *at++ = w; }

static function *begin(void) {
    function *f = (function *)at;
    word(0xd51b4202); // msr nzcv, x2
    return f;
}

static void end(void) { word(0xd65f03c0); }

// ccmp or ccmn r0, r1 (or #k), #nzcv, cond
static void compare(int form, unsigned nzcv, unsigned cond) {
    static const uint32_t forms[] = {0xfa410000, 0x7a410000, 0xba410000, 0x3a410000, 0xfa410800, 0x7a5f0800};
    word(forms[form] | cond << 12 | nzcv);
}

static void use(int how, unsigned cond) {
    switch (how) {
    case 0: // b.cond over; mov x0, #7; over:
        word(0x54000040 | cond);
        word(0xd28000e0);
        break;
    case 1: // csel x0, x1, x2, cond
        word(0x9a820020 | cond << 12);
        break;
    case 2: // cset x0, cond, and b.cond after something else
        word(0x9a9f07e0 | (cond ^ 1) << 12);
        word(0x91000421); // add x1, x1, #1
        word(0x54000040 | cond);
        word(0xaa0103e0); // mov x0, x1
        break;
    case 3: // ccmp x1, x2, #4, cond; csetm w0, le; mrs x1, nzcv; add x0, x0, x1
        word(0xfa420024 | cond << 12);
        word(0x5a9fc3e0);
        word(0xd53b4201);
        word(0x8b010000);
        break;
    }
}

int main(void) {
    static const uint64_t operands[] = {0, 1, 2, 31, 0x7fffffff, 0x80000000, 0xffffffff, 1ull << 63, ~0ull, ~0ull >> 1};
    enum { N = sizeof operands / sizeof *operands };
    code = mmap(0, 1 << 20, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned turn = 0;
    for (unsigned first = 0; first < 14; first++)
        for (unsigned second = 0; second < 14; second++) {
            uint64_t hash = 0;
            at = code;
            function *f[16];
            for (unsigned nzcv = 0; nzcv < 16; nzcv++, turn++) {
                f[nzcv] = begin();
                compare(turn % 6, nzcv, first);
                use((turn / 6 + nzcv) % 4, second);
                end();
            }
            __builtin___clear_cache((char *)code, (char *)at);
            for (unsigned nzcv = 0; nzcv < 16; nzcv++)
                for (unsigned k = 0; k < N * 4; k++) {
                    uint64_t flags = (uint64_t)(k * 7 % 16) << 28;
                    hash = hash * 0x9e3779b97f4a7c15 + f[nzcv](operands[k % N], operands[(k * 3 + k / N) % N], flags);
                }
            printf("%u %u %016lx\n", first, second, (unsigned long)hash);
        }
    return 0;
}

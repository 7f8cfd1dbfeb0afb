// Functions whose code is changed, with an argument: by writing to it, by mapping over it. Prints what they return.
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RETURNS(n) 0x52800000u | (n) << 5  // mov w0, #n

// On pages of their own: what is next to them stays as it is.
__asm__(".text\n.globl early, late, over, apart\n.balign 65536\n"
        "early: mov w0, #1\nret\n.balign 65536\n"
        "late: mov w0, #1\nret\n.balign 65536\n"
        "over: mov w0, #1\nret\n.balign 65536\n"
        "apart: mov w0, #1\nret\n.balign 65536\n");
extern uint32_t early[], late[], over[], apart[];

static int call(uint32_t *f) {
    int sum = 0;
    for (int i = 0; i < 5000; i++) sum += ((int (*)(void))f)();
    return sum / 5000;
}

static void write_to(uint32_t *f, unsigned n, int prot) {
    mprotect(f, 65536, prot);
    *f = RETURNS(n);
    __builtin___clear_cache((char *)f, (char *)(f + 1));
    mprotect(f, 65536, PROT_READ | PROT_EXEC);
}

static void map_over(uint32_t *f, unsigned n) {
    uint32_t code[2] = {RETURNS(n), f[1]};
    mmap(f, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    memcpy(f, code, sizeof code);
    mprotect(f, 65536, PROT_READ | PROT_EXEC);
    __builtin___clear_cache((char *)f, (char *)(f + 2));
}

int main(int argc, char **argv) {
    int before = call(late);
    if (argc > 1) {
        write_to(early, 2, PROT_READ | PROT_WRITE);
        write_to(late, 3, PROT_READ | PROT_WRITE | PROT_EXEC);
        map_over(over, 4);
    }
    printf("%d %d %d %d %d\n", before, call(early), call(late), call(over), call(apart));
    return 0;
}

// Calls a function of another file many times, by way of its address: across FILE [what happens then]. Prints what it returns, at first
// and afterwards.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define RETURNS(n) 0x52800001u | (n) << 5  // mov w1, #n

typedef int Function(const int *);

static const int two = 2;
static sigjmp_buf back;
static uint64_t fault_pc;

__attribute__((noinline)) static int call(Function *volatile *f) {
    int sum = 0;
    for (int i = 0; i < 40000; i++) sum += (*f)(&two);
    return sum / 40000;
}

static void patch(uint32_t *f, unsigned n, int prot) {
    uint32_t *page = (uint32_t *)((uintptr_t)f & -4096);
    mprotect(page, 4096, prot);
    *f = RETURNS(n);
    __builtin___clear_cache((char *)f, (char *)(f + 1));
    mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static void map_over(uint32_t *f, unsigned n) {
    uint32_t *page = (uint32_t *)((uintptr_t)f & -4096);
    uint32_t code[1024];
    memcpy(code, page, sizeof code);
    code[f - page] = RETURNS(n);
    mmap(page, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    memcpy(page, code, sizeof code);
    mprotect(page, 4096, PROT_READ | PROT_EXEC);
    __builtin___clear_cache((char *)page, (char *)(page + 1024));
}

static void fault(int sig, siginfo_t *info, void *context) {
    (void)sig, (void)info;
    fault_pc = ((ucontext_t *)context)->uc_mcontext.pc;
    siglongjmp(back, 1);
}

// Returns once the function returns something else.
static void *wait_for_change(void *f) {
    Function *volatile g = (Function *)f;
    int first = call(&g);
    while (call(&g) == first) {}
    return NULL;
}

int main(int argc, char **argv) {
    void *file = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
    Function *volatile f = file ? (Function *)dlsym(file, "function") : NULL;
    if (!f) return 9;
    // Enough code for an image to be worth it.
    __asm__ volatile(".rept 200\nadd x9, x9, #1\n.endr" ::: "x9");
    const char *then = argc > 2 ? argv[2] : "";
    int before = call(&f);
    if (!strcmp(then, "write")) patch((uint32_t *)f, 5, PROT_READ | PROT_WRITE);
    if (!strcmp(then, "write-running")) patch((uint32_t *)f, 6, PROT_READ | PROT_WRITE | PROT_EXEC);
    if (!strcmp(then, "map")) map_over((uint32_t *)f, 7);
    if (!strcmp(then, "thread")) {
        pthread_t t;
        pthread_create(&t, NULL, wait_for_change, (void *)f);
        for (int i = 0; i < 100; i++) call(&f);
        patch((uint32_t *)f, 8, PROT_READ | PROT_WRITE | PROT_EXEC);
        pthread_join(t, NULL);
    }
    if (!strcmp(then, "other")) {
        dlclose(file);
        file = dlopen(argv[3], RTLD_NOW);
        f = file ? (Function *)dlsym(file, "function") : NULL;
        if (!f) return 8;
    }
    if (!strcmp(then, "fault")) {
        struct sigaction a = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO};
        sigaction(SIGSEGV, &a, NULL);
        if (!sigsetjmp(back, 1)) {
            // The loop as before, and at its end an address that is none.
            Function *volatile g = f;
            const int *volatile p = &two;
            for (int i = 0; i < 40000; i++) {
                if (i == 39999) p = NULL;
                g(p);
            }
        }
        printf("%d ", (int)(fault_pc - (uintptr_t)f));
    }
    printf("%d %d\n", before, call(&f));
    return 0;
}

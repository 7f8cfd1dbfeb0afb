// Underflow is looked for before rounding: products and narrowed numbers that are rounded up to the smallest normal number raise it. In loops that have
// been hot before anybody looked at FPSR, on two threads. Prints ok, or what FPSR was and should have been.
// With arguments: how often to pass over the arrays first, and whether (ask) to look at FPSR at all; or (one) to have one loop only.
#include <arm_neon.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 100, UFC = 8, IXC = 16 };

static double a[N], b[N], w[N], d[N];
static float e[N], f[N], s[N];
static unsigned passes = 3000, kinds;
static int failed;

#define PASS(name, step, body) \
    __attribute__((noinline)) static void name(void) { \
        for (int i = 0; i < N; i += step) body; \
    }

PASS(mul_d, 1, d[i] = a[i] * b[i])
PASS(mul_s, 1, s[i] = e[i] * f[i])
PASS(nmul_d, 1, d[i] = -(a[i] * b[i]))
PASS(fma_d, 1, d[i] = __builtin_fma(a[i], b[i], 0.0))
PASS(fma_s, 1, s[i] = __builtin_fmaf(-e[i], f[i], -0.0f))
PASS(narrow, 1, s[i] = (float)w[i])
PASS(mul_2d, 2, vst1q_f64(d + i, vmulq_f64(vld1q_f64(a + i), vld1q_f64(b + i))))
PASS(mul_4s, 4, vst1q_f32(s + i, vmulq_f32(vld1q_f32(e + i), vld1q_f32(f + i))))
PASS(mul_2s, 2, vst1_f32(s + i, vmul_f32(vld1_f32(e + i), vld1_f32(f + i))))
PASS(mla_2d, 2, vst1q_f64(d + i, vfmaq_f64(vdupq_n_f64(0), vld1q_f64(a + i), vld1q_f64(b + i))))
PASS(mls_4s, 4, vst1q_f32(s + i, vfmsq_f32(vdupq_n_f32(0), vld1q_f32(e + i), vld1q_f32(f + i))))
PASS(narrow_2d, 2, vst1_f32(s + i, vcvt_f32_f64(vld1q_f64(w + i))))

static const struct {
    const char *name;
    void (*pass)(void);
} all[] = {{"mul d", mul_d},   {"mul s", mul_s},   {"nmul d", nmul_d}, {"fma d", fma_d},   {"fma s", fma_s},   {"narrow", narrow},
           {"mul 2d", mul_2d}, {"mul 4s", mul_4s}, {"mul 2s", mul_2s}, {"mla 2d", mla_2d}, {"mls 4s", mls_4s}, {"narrow 2d", narrow_2d}};

static void clear(void) { asm volatile("msr fpsr, xzr" ::: "memory"); }
static uint64_t raised(void) {
    uint64_t r;
    asm volatile("mrs %0, fpsr" : "=r"(r)::"memory");
    return r;
}

// Elements whose products are those of `x` and `y`, and `u` and `v`; to be narrowed is `n`.
static void set(int at, double x, double y, float u, float v, double n) { a[at] = x, b[at] = y, e[at] = u, f[at] = v, w[at] = n; }

static void ordinary(void) {
    for (int i = 0; i < N; i++) set(i, 1, 2, 1, 2, 3);
}

static void warm(void) {
    ordinary();
    for (unsigned n = 0; n < passes; n++)
        for (unsigned k = 0; k < kinds; k++) all[k].pass();
}

static void expect(const char *what, uint64_t want) {
    for (unsigned k = 0; k < kinds; k++) {
        clear();
        all[k].pass();
        uint64_t got = raised();
        if (got != want) failed = 1, printf("%s, %s: %lx instead of %lx\n", all[k].name, what, got, want);
    }
}

static void check(void) {
    ordinary();
    expect("ordinary", 0);
    for (int at = 37; at < 41; at++) {
        int sign = at % 2 ? -1 : 1;
        // (1 + u)(1 - u) times the smallest: less than half a step below it.
        set(at, sign * 0x1.0000000000001p-1022, 0x1.ffffffffffffep-1, sign * 0x1.000002p-126f, 0x1.fffffcp-1f, sign * 0x1.fffffffffffffp-127);
        expect("rounded up", UFC | IXC);
        set(at, sign * 0x1p-1022, 1, 0x1p-126f, sign, sign * 0x1p-126);
        expect("exact", 0);
        set(at, 0x1p-1022, sign * 0x1.0000000000001p-1, 0x1p-126f, sign * 0x1.000002p-1f, 0x1.0000001p-127);
        expect("smaller", UFC | IXC);
        set(at, 1, 2, 1, 2, 3);
    }
}

static void *worker(void *ask) {
    warm();
    if (ask) check();
    warm();
    if (ask) check();
    return 0;
}

int main(int argc, char **argv) {
    int ask = argc < 3 || strcmp(argv[2], "ask") == 0;
    kinds = argc > 2 && strcmp(argv[2], "one") == 0 ? 1 : sizeof all / sizeof *all;
    if (argc > 1) passes = atoi(argv[1]);
    pthread_t t;
    pthread_create(&t, 0, worker, ask ? &failed : 0);
    pthread_join(t, 0);
    if (ask) check();
    if (!failed) puts("ok");
    return failed;
}

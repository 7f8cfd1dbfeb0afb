// The cumulative exception bits of FPSR after operations whose results nobody uses, or only one path, or that stand in a loop that
// never comes to them: what an optimiser may not make of them. Each line: the operation, the surroundings, FPSR for each pair of operands.
// At the end, comparisons whose flags are asked for after FPSR was written, here or in other blocks: NZCV, conditions, FPSR.
#include <stdint.h>
#include <stdio.h>

typedef uint64_t u64;

typedef struct {
    u64 a[2], b[2];
} Pair;

static u64 sink;

// A function around an operation from v0, v1 to v2, x2 or the flags. FPSR is cleared and read elsewhere, so that the code in between
// does not know that it matters.
__attribute__((noinline)) static void clear(void) { asm volatile("msr fpsr, xzr" ::: "memory"); }
__attribute__((noinline)) static u64 read(void) {
    u64 r;
    asm volatile("mrs %0, fpsr" : "=r"(r)::"memory");
    return r;
}

#define CLOBBERS "x2", "x3", "x4", "x5", "v0", "v1", "v2", "v3", "cc", "memory"
#define BODY(text, p, taken) \
    asm volatile("ldp q0, q1, [%0]\n movi v2.2d, #0\n movi v3.2d, #0\n mov x3, #0\n mov x4, %1\n" text \
                 "\n str q3, [%2]\n str x3, [%2]" ::"r"(p), "r"((u64)(taken)), "r"(spare) : CLOBBERS)
#define CASE(name, text) \
    __attribute__((noinline)) static u64 name(const Pair *p, u64 taken) { \
        u64 spare[2]; \
        clear(); \
        BODY(text, p, taken); \
        sink += spare[0]; \
        return read(); \
    }

// `kill` overwrites the result, `use` looks at it.
#define CASES(name, op, kill, use) \
    CASE(name##_dead, op "\n" kill) \
    CASE(name##_read, "msr fpsr, xzr\n" op "\n mrs x5, fpsr\n" kill "\n msr fpsr, x5") \
    CASE(name##_side, op "\n cbz x4, 1f\n" use "\n 1:" kill) \
    CASE(name##_next, op "\n cbnz x4, 1f\n nop\n 1:" use "\n" kill) \
    CASE(name##_cleared, op "\n" use "\n msr fpsr, xzr\n" use) \
    CASE(name##_twice, op "\n" use "\n msr fpsr, xzr\n" op "\n" use) \
    CASE(name##_loop, "mov x5, #3\n 1: cbz x4, 2f\n" op "\n" use "\n 2: subs x5, x5, #1\n b.ne 1b\n" kill) \
    CASE(name##_last, "mov x5, #3\n 1: mrs x2, fpsr\n orr x3, x3, x2\n" op "\n" use "\n subs x5, x5, #1\n b.gt 1b\n" kill "\n") \
    static u64 (*const name[])(const Pair *, u64) = { \
        name##_dead, name##_read, name##_side, name##_next, name##_cleared, name##_twice, name##_loop, name##_last};
static const char *const around[] = {"dead", "read", "side", "next", "cleared", "twice", "loop", "last"};

#define VECTOR(name, op) CASES(name, op, "movi v2.2d, #0", "eor v3.16b, v3.16b, v2.16b")
#define GENERAL(name, op) CASES(name, op, "mov x2, #0", "eor x3, x3, x2")
#define FLAGS(name, op) CASES(name, op, "cmp xzr, xzr", "cset x2, vs\n eor x3, x3, x2")

#define OPS \
    VECTOR(fadd_d, "fadd d2, d0, d1") VECTOR(fmul_d, "fmul d2, d0, d1") VECTOR(fdiv_d, "fdiv d2, d0, d1") \
    VECTOR(fsub_s, "fsub s2, s0, s1") VECTOR(fdiv_s, "fdiv s2, s0, s1") VECTOR(fsqrt_d, "fsqrt d2, d0") \
    VECTOR(fsqrt_s, "fsqrt s2, s0") VECTOR(fmadd_d, "fmadd d2, d0, d1, d0") VECTOR(fnmsub_s, "fnmsub s2, s0, s1, s0") \
    VECTOR(fmax_d, "fmax d2, d0, d1") VECTOR(fminnm_s, "fminnm s2, s0, s1") VECTOR(fmulx_d, "fmulx d2, d0, d1") \
    VECTOR(fcvt_sd, "fcvt s2, d0") VECTOR(fcvt_ds, "fcvt d2, s0") VECTOR(fcvt_hs, "fcvt h2, s0") \
    VECTOR(fcvt_round, "fcvt s2, d0\n fcvt d2, s2") VECTOR(fcvt_twice, "fcvt d2, s0\n fcvt s2, d2") \
    VECTOR(frintn_d, "frintn d2, d0") VECTOR(frintz_s, "frintz s2, s0") VECTOR(frintx_d, "frintx d2, d0") \
    VECTOR(frinta_d, "frinta d2, d0") VECTOR(frinta_s, "frinta s2, s0") VECTOR(frint_both, "frintn d2, d0\n frintx d2, d0") \
    VECTOR(frintx_s, "frintx s2, s0") VECTOR(vrintx_2d, "frintx v2.2d, v0.2d") GENERAL(fcvtau_ws, "fcvtau w2, s0") \
    GENERAL(fcvtzs_xd, "fcvtzs x2, d0") GENERAL(fcvtzs_ws, "fcvtzs w2, s0") GENERAL(fcvtzu_wd, "fcvtzu w2, d0") \
    GENERAL(fcvtzu_xs, "fcvtzu x2, s0") GENERAL(fcvtas_xd, "fcvtas x2, d0") GENERAL(fcvtns_ws, "fcvtns w2, s0") \
    GENERAL(fcvtmu_xd, "fcvtmu x2, d0") GENERAL(fcvtzs_fixed, "fcvtzs x2, d0, #3") \
    VECTOR(scvtf_sx, "fmov x2, d0\n scvtf s2, x2") VECTOR(ucvtf_dx, "fmov x2, d0\n ucvtf d2, x2") \
    VECTOR(scvtf_sw, "fmov w2, s0\n scvtf s2, w2") VECTOR(scvtf_fixed, "fmov x2, d0\n scvtf d2, x2, #5") \
    FLAGS(fcmp_d, "fcmp d0, d1") FLAGS(fcmp_s, "fcmp s0, s1") FLAGS(fcmp_zero, "fcmp s0, #0.0") \
    FLAGS(fcmpe_d, "fcmpe d0, d1") FLAGS(fcmpe_zero, "fcmpe s0, #0.0") \
    FLAGS(fccmp_d, "cmp x4, #1\n fccmp d0, d1, #5, eq") FLAGS(fccmpe_s, "cmp x4, #0\n fccmpe s0, s1, #1, eq") \
    VECTOR(fcsel_d, "fcmp d0, d1\n fcsel d2, d0, d1, ge") \
    VECTOR(vadd_4s, "fadd v2.4s, v0.4s, v1.4s") VECTOR(vmul_2d, "fmul v2.2d, v0.2d, v1.2d") VECTOR(vdiv_2s, "fdiv v2.2s, v0.2s, v1.2s") \
    VECTOR(vmla_2d, "mov v2.16b, v0.16b\n fmla v2.2d, v0.2d, v1.2d") VECTOR(vsqrt_4s, "fsqrt v2.4s, v0.4s") \
    VECTOR(vmax_4s, "fmax v2.4s, v0.4s, v1.4s") VECTOR(vaddp_2d, "faddp v2.2d, v0.2d, v1.2d") VECTOR(vabd_4s, "fabd v2.4s, v0.4s, v1.4s") \
    VECTOR(vcmeq_2d, "fcmeq v2.2d, v0.2d, v1.2d") VECTOR(vcmge_4s, "fcmge v2.4s, v0.4s, v1.4s") VECTOR(vacgt_2d, "facgt v2.2d, v0.2d, v1.2d") \
    VECTOR(vcmlt_4s, "fcmlt v2.4s, v0.4s, #0.0") VECTOR(vcmeq_4s, "fcmeq v2.4s, v0.4s, #0.0") VECTOR(vcmgt_s, "fcmgt s2, s0, s1") \
    VECTOR(vrintm_4s, "frintm v2.4s, v0.4s") VECTOR(vrintz_2d, "frintz v2.2d, v0.2d") \
    VECTOR(vcvtl, "fcvtl v2.2d, v0.2s") VECTOR(vcvtl2, "fcvtl2 v2.2d, v0.4s") VECTOR(vcvtn, "fcvtn v2.2s, v0.2d") \
    VECTOR(vcvtzs_4s, "fcvtzs v2.4s, v0.4s") VECTOR(vcvtzs_2d, "fcvtzs v2.2d, v0.2d") VECTOR(vcvtzs_d, "fcvtzs d2, d0") \
    VECTOR(vcvtzu_2s, "fcvtzu v2.2s, v0.2s") VECTOR(vscvtf_4s, "scvtf v2.4s, v0.4s") VECTOR(vucvtf_2d, "ucvtf v2.2d, v0.2d") \
    VECTOR(vscvtf_s, "scvtf s2, s0") VECTOR(vscvtf_fixed, "scvtf v2.4s, v0.4s, #4") \
    VECTOR(const_div, "fmov d0, #1.0\n fmov d1, #3.0\n fdiv d2, d0, d1") VECTOR(const_sqrt, "fmov d0, #2.0\n fsqrt d2, d0") \
    VECTOR(const_scvtf, "movz w2, #0x100, lsl #16\n movk w2, #1\n scvtf s2, x2") VECTOR(const_mul, "fmov s0, #1.9375\n movz w2, #0x3f80, lsl #16\n movk w2, #1\n fmov s1, w2\n fmul s2, s0, s1") \
    GENERAL(const_cvt, "fmov d0, #1.5\n fcvtzs x2, d0") \
    VECTOR(const_rint, "movz w2, #0x7f80, lsl #16\n movk w2, #1\n fmov s0, w2\n frintm s2, s0") FLAGS(const_cmp, "movz w2, #0x7f80, lsl #16\n movk w2, #1\n fmov s0, w2\n fcmp s0, #0.0")
OPS

#undef CASES
#define CASES(name, op, kill, use) {#name, name},
static const struct {
    const char *name;
    u64 (*const *of)(const Pair *, u64);
} ops[] = {OPS};

// `op`, then `between`, then what becomes of the flags.
#define ASKED \
    "\n cset x2, eq\n add x3, x2, x3, lsl #1\n cset x2, cs\n add x3, x2, x3, lsl #1\n cset x2, mi\n add x3, x2, x3, lsl #1" \
    "\n cset x2, vs\n add x3, x2, x3, lsl #1\n cset x2, hi\n add x3, x2, x3, lsl #1\n cset x2, ge\n add x3, x2, x3, lsl #1" \
    "\n cset x2, gt\n add x3, x2, x3, lsl #1\n mrs x2, nzcv\n add x3, x3, x2\n"
#define NEXT "\n cbnz x4, 7f\n nop\n 7:"
#define LATER(name, op, between) \
    __attribute__((noinline)) static u64 name(const Pair *p, u64 taken) { \
        u64 spare[2]; \
        clear(); \
        BODY(op between ASKED, p, taken); \
        return read() | (spare[0] & 0x7f) << 8 | spare[0] >> 28 << 16; \
    }
#define COMPARE(name, op) \
    LATER(name##_kept, op, "\n msr fpsr, xzr") \
    LATER(name##_apart, op, NEXT "msr fpsr, xzr" NEXT) \
    LATER(name##_before, op, NEXT "msr fpsr, xzr") \
    LATER(name##_behind, op, "\n msr fpsr, xzr" NEXT) \
    LATER(name##_often, op, "\n mov x5, #3\n 1: msr fpsr, x5\n sub x5, x5, #1\n cbnz x5, 1b\n msr fpsr, xzr" NEXT) \
    LATER(name##_raised, op, NEXT "msr fpsr, xzr\n" op NEXT) \
    LATER(name##_held, op, NEXT "mrs x5, fpsr\n msr fpsr, x5" NEXT) \
    static u64 (*const name[])(const Pair *, u64) = { \
        name##_kept, name##_apart, name##_before, name##_behind, name##_often, name##_raised, name##_held};
static const char *const written[] = {"kept", "apart", "before", "behind", "often", "raised", "held"};
#define COMPARES \
    COMPARE(flags_fcmp_d, "fcmp d0, d1") COMPARE(flags_fcmp_s, "fcmp s1, s0") COMPARE(flags_fcmp_zero, "fcmp d0, #0.0") \
    COMPARE(flags_fcmpe_d, "fcmpe d1, d0") COMPARE(flags_fcmpe_zero, "fcmpe s0, #0.0") \
    COMPARE(flags_fccmp_d, "cmp x4, #1\n fccmp d0, d1, #5, eq") COMPARE(flags_fccmpe_s, "cmp x4, #0\n fccmpe s0, s1, #3, eq") \
    COMPARE(flags_select, "fcmp d0, d1\n ccmp x4, #1, #9, ge") COMPARE(flags_sub, "cmp x4, #1") COMPARE(flags_logic, "tst w4, w4") \
    COMPARE(flags_adcs, "fmov w2, s0\n cmp x4, #1\n adcs wzr, w2, w2") COMPARE(flags_adcs_x, "fmov x2, d0\n cmp x4, #1\n adcs xzr, x2, x2")
COMPARES

#undef COMPARE
#define COMPARE(name, op) {#name, name},
static const struct {
    const char *name;
    u64 (*const *of)(const Pair *, u64);
} compares[] = {COMPARES};

#define D(x, y) {{x, x}, {y, y}}
#define S(x, y) D(x * 0x100000001ul, y * 0x100000001ul)
static const Pair pairs[] = {
    D(0x3ff0000000000000, 0x4008000000000000), // 1, 3
    D(0x3ff8000000000000, 0),                  // 1.5, 0
    D(0x7ff0000000000001, 0x3ff0000000000000), // signaling NaN, 1
    D(0x7ff8000000000001, 0x3ff0000000000000), // quiet NaN, 1
    D(0x7fefffffffffffff, 0x7fefffffffffffff), // largest numbers
    D(0x0010000000000001, 0x3fd0000000000001), // smallest normal ones
    D(0x0123456789abcdef, 0x7ff0000000000000), // tiny, infinity
    D(0x0010000000000001, 0x3feffffffffffffe), // product rounded up to the smallest normal one
    D(0xb80fffffffffffff, 0x3ff0000000000000), // the same when narrowed
    S(0x3f800000, 0x40400000),
    S(0xbfc00000, 0),
    S(0x7f800001, 0x3f800000),
    S(0x7fc00001, 0x3f800000),
    S(0x7f7fffff, 0x7f7fffff),
    S(0x00800001, 0x3e800001),
    S(0x80800001, 0x3f7ffffe),
    S(0xff800000, 0x80000001),
};

static void line(const char *name, const char *how, u64 (*f)(const Pair *, u64), int print) {
    if (print) printf("%s %s:", name, how);
    for (unsigned p = 0; p < sizeof pairs / sizeof *pairs; p++)
        for (u64 taken = 0; taken < 2; taken++) {
            u64 r = f(&pairs[p], taken);
            if (print) printf(taken ? "%02lx" : " %02lx,", r);
        }
    if (print) putchar('\n');
}

int main(void) {
    for (int round = 0; round < 2; round++) {
        for (unsigned o = 0; o < sizeof ops / sizeof *ops; o++)
            for (int w = 0; w < 8; w++) line(ops[o].name, around[w], ops[o].of[w], round);
        for (unsigned o = 0; o < sizeof compares / sizeof *compares; o++)
            for (int w = 0; w < 7; w++) line(compares[o].name, written[w], compares[o].of[w], round);
    }
    return 0;
}

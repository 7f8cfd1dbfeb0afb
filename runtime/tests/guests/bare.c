/* A freestanding guest for the engine's tests: no libc, two system calls. Also builds natively for the expected output.
 * aarch64-linux-gnu-gcc -O2 -static -nostdlib -fno-stack-protector -fno-builtin -o bare bare.c */
typedef unsigned long u64;
typedef unsigned int u32;
typedef unsigned char u8;
#ifdef __aarch64__
static long sys(long n, long a, long b, long c) {
  register long x8 __asm__("x8") = n, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
  return x0;
}
#define WRITE 64
#define EXIT 93
#else
static long sys(long n, long a, long b, long c) {
  long r;
  __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return r;
}
#define WRITE 1
#define EXIT 60
#endif
static void put(const char *name, u64 v) {
  char b[64];
  int n = 0;
  while (name[n]) { b[n] = name[n]; n++; }
  for (int i = 60; i >= 0; i -= 4) b[n++] = "0123456789abcdef"[v >> i & 15];
  b[n++] = '\n';
  sys(WRITE, 1, (long)b, n);
}
static __attribute__((noinline)) u64 fib(u64 n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
static u8 sieve_a[1 << 20];
static __attribute__((noinline)) u64 sieve(int n) {
  u64 c = 0;
  for (int i = 2; i < n; i++) sieve_a[i] = 1;
  for (int i = 2; i < n; i++)
    if (sieve_a[i]) { c++; for (int j = 2 * i; j < n; j += i) sieve_a[j] = 0; }
  return c;
}
static __attribute__((noinline)) u64 mix(u64 n) {
  u64 h = 0x9e3779b97f4a7c15ul; u32 k = 7; long s = -5;
  for (u64 i = 0; i < n; i++) {
    h ^= h >> 29; h *= 0xbf58476d1ce4e5b9ul; h += i; k = (k << 5 | k >> 27) ^ (u32)h; s = s * 31 + (int)k;
    if (s < 0) s = -s / 3; if ((k & 0x80) && (h & 4)) h -= s; h += (u64)k / ((i & 15) + 1) + (h % 1000003);
  }
  return h ^ k ^ (u64)s;
}
static double fa[64][64], fb[64][64], fc[64][64];
static __attribute__((noinline)) u64 mat(int rounds) {
  double t = 0;
  for (int i = 0; i < 64; i++) for (int j = 0; j < 64; j++) { fa[i][j] = i * 0.5 + j; fb[i][j] = i - j * 0.25; }
  for (int r = 0; r < rounds; r++)
    for (int i = 0; i < 64; i++) for (int j = 0; j < 64; j++) {
      double s = 0;
      for (int k = 0; k < 64; k++) s += fa[i][k] * fb[k][j];
      fc[i][j] = s; t += s / (1 + r);
    }
  return (u64)(long)t;
}
static u64 (*volatile table[4])(u64) = { fib, mix, fib, mix };
static __attribute__((noinline)) u64 vm(int n) {
  static const u8 code[] = { 0, 1, 2, 0, 3, 1, 4, 2, 5 };
  u64 acc = 1, pc = 0, steps = 0;
  for (;;) {
    switch (code[pc]) {
    case 0: acc += 3; break;
    case 1: acc *= 7; break;
    case 2: acc ^= acc >> 3; break;
    case 3: acc -= steps; break;
    case 4: acc += acc << 9; break;
    case 5: if (++steps == (u64)n) return acc; pc = 0; continue;
    }
    pc++;
  }
}
void _start(void) {
#ifndef SCALE
#define SCALE 1
#endif
  put("fib ", fib(20 + SCALE));
  put("sieve ", sieve(1000 * SCALE * SCALE));
  put("mix ", mix(20000 * SCALE));
  put("mat ", mat(SCALE));
  put("vm ", vm(5000 * SCALE));
  put("call ", table[SCALE & 3](15));
  sys(EXIT, 7, 0, 0);
  for (;;) ;
}

/* The demonstration guest: five small pieces of work whose results can be checked by hand, in freestanding C with two system calls.
 * It ships built (`demo`), so that no cross compiler is needed to see a guest run:
 *
 *   aarch64-linux-gnu-gcc -O2 -static -nostdlib -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables \
 *       -ffp-contract=off -Wall -Wextra -Wl,--build-id=none -Wl,-z,noseparate-code,-z,norelro -o demo demo.c
 *
 * The same source builds with the host's gcc and must print the same. Known answers: 148,933 primes below 2,000,000; 724 ways to place
 * ten queens; the SHA-256 of a million letters 'a' is an example of FIPS 180-2. */
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

#ifdef __aarch64__
enum { WRITE = 64, EXIT = 93 };
static long call(long number, long a, long b, long c) {
  register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
  return x0;
}
#else
enum { WRITE = 1, EXIT = 60 };
static long call(long number, long a, long b, long c) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return result;
}
__attribute__((force_align_arg_pointer)) /* no return address lies on the stack of a fresh process */
#endif
void _start(void);

static void text(const char *s) {
  long n = 0;
  while (s[n]) n++;
  call(WRITE, 1, (long)s, n);
}

static void number(u64 v) {
  char digits[21];
  int at = 20;
  digits[at] = 0;
  do digits[--at] = '0' + v % 10; while (v /= 10);
  text(digits + at);
}

/* The compiler may call this for clearing and copying. */
void *memset(void *to, int byte, u64 n) {
  for (u64 i = 0; i < n; i++) {
    ((volatile u8 *)to)[i] = (u8)byte;
  }
  return to;
}

/* ---- the Mandelbrot set, as text ---- */
enum { WIDTH = 72, HEIGHT = 24, DEEPEST = 50000 };

static __attribute__((noinline)) int escape_time(double x, double y) {
  double a = 0, b = 0;
  for (int i = 0; i < DEEPEST; i++) {
    double aa = a * a, bb = b * b;
    if (aa + bb > 4) return i;
    b = 2 * a * b + y;
    a = aa - bb + x;
  }
  return DEEPEST;
}

static u64 mandelbrot(void) {
  static const char shades[] = " .,:;+*%@";
  u64 inside = 0;
  for (int row = 0; row < HEIGHT; row++) {
    char line[WIDTH + 2];
    for (int column = 0; column < WIDTH; column++) {
      int time = escape_time(column * 3.0 / WIDTH - 2.15, row * 2.4 / HEIGHT - 1.15), shade = 0;
      if (time == DEEPEST) inside++;
      while (time > 1 && shade < 7) time /= 2, shade++;
      line[column] = shades[time > 1 ? 8 : shade];
    }
    line[WIDTH] = '\n';
    line[WIDTH + 1] = 0;
    text(line);
  }
  return inside;
}

/* ---- the sieve of Eratosthenes ---- */
enum { LIMIT = 2000000 };
static u8 composite[LIMIT];

static __attribute__((noinline)) u64 primes(void) {
  u64 count = 0;
  for (u32 i = 2; i < LIMIT; i++) {
    if (composite[i]) continue;
    count++;
    for (u64 j = (u64)i * i; j < LIMIT; j += i) composite[j] = 1;
  }
  return count;
}

/* ---- heap sort through a function pointer ---- */
enum { NUMBERS = 200000 };
static u64 numbers[NUMBERS];
static int by_value(u64 a, u64 b) { return a < b; }
static int by_low_bits(u64 a, u64 b) { return (a & 0xffffff) < (b & 0xffffff); }
static int (*volatile orders[2])(u64, u64) = {by_value, by_low_bits};

static void sift(u64 root, u64 end, int (*less)(u64, u64)) {
  for (u64 child; (child = 2 * root + 1) < end; root = child) {
    if (child + 1 < end && less(numbers[child], numbers[child + 1])) child++;
    if (!less(numbers[root], numbers[child])) return;
    u64 t = numbers[root];
    numbers[root] = numbers[child];
    numbers[child] = t;
  }
}

static __attribute__((noinline)) u64 sort(int (*less)(u64, u64)) {
  u64 out_of_order = 0, state = 88172645463325252;
  for (u64 i = 0; i < NUMBERS; i++) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    numbers[i] = state;
  }
  for (u64 i = NUMBERS / 2; i-- > 0;) sift(i, NUMBERS, less);
  for (u64 end = NUMBERS - 1; end > 0; end--) {
    u64 t = numbers[0];
    numbers[0] = numbers[end];
    numbers[end] = t;
    sift(0, end, less);
  }
  for (u64 i = 1; i < NUMBERS; i++) out_of_order += less(numbers[i], numbers[i - 1]) != 0;
  return out_of_order;
}

/* ---- ten queens, recursively ---- */
static __attribute__((noinline)) u64 queens(u32 n, u32 columns, u32 left, u32 right) {
  u32 all = (1u << n) - 1;
  if (columns == all) return 1;
  u64 ways = 0;
  for (u32 free = all & ~(columns | left | right); free; free &= free - 1) {
    u32 here = free & -free;
    ways += queens(n, columns | here, (left | here) << 1, (right | here) >> 1);
  }
  return ways;
}

/* ---- SHA-256 (FIPS 180-4), its constants computed from the primes as section 4.2.2 says ---- */
static u32 constants[64];

/* The first 32 fractional bits of the cube (or square) root of a small integer, by bisection in integers. */
static u32 root_fraction(u64 n, int cube) {
  u64 low = 0, high = 1ul << 36; /* the root times 2^32 */
  while (high - low > 1) {
    u64 middle = (low + high) / 2;
    unsigned __int128 square = (unsigned __int128)middle * middle;
    int below = cube ? square * middle < (unsigned __int128)n << 96 : square < (unsigned __int128)n << 64;
    if (below) low = middle; else high = middle;
  }
  return (u32)low;
}

static u32 turn(u32 v, int by) { return v >> by | v << (32 - by); }

static __attribute__((noinline)) void block(u32 hash[8], const u8 *bytes) {
  u32 w[64], s[8];
  for (int i = 0; i < 16; i++)
    w[i] = (u32)bytes[4 * i] << 24 | bytes[4 * i + 1] << 16 | bytes[4 * i + 2] << 8 | bytes[4 * i + 3];
  for (int i = 16; i < 64; i++) {
    u32 x = w[i - 15], y = w[i - 2];
    w[i] = w[i - 16] + (turn(x, 7) ^ turn(x, 18) ^ x >> 3) + w[i - 7] + (turn(y, 17) ^ turn(y, 19) ^ y >> 10);
  }
  for (int i = 0; i < 8; i++) s[i] = hash[i];
  for (int i = 0; i < 64; i++) {
    u32 e = s[4], a = s[0];
    u32 t1 = s[7] + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & s[5]) ^ (~e & s[6])) + constants[i] + w[i];
    u32 t2 = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
    for (int j = 7; j > 0; j--) s[j] = s[j - 1];
    s[4] += t1;
    s[0] = t1 + t2;
  }
  for (int i = 0; i < 8; i++) hash[i] += s[i];
}

static void sha256_of_a_million_a(void) {
  u32 hash[8];
  for (u64 n = 2, i = 0; i < 64; n++) {
    if (composite[n]) continue;
    if (i < 8) hash[i] = root_fraction(n, 0);
    constants[i++] = root_fraction(n, 1);
  }
  u8 bytes[64];
  for (int i = 0; i < 64; i++) bytes[i] = 'a';
  for (int i = 0; i < 15625; i++) block(hash, bytes);
  /* The padding: 1,000,000 is a multiple of 64, so it is a block of its own: a one bit, zeros, the length in bits. */
  for (int i = 0; i < 64; i++) bytes[i] = 0;
  bytes[0] = 0x80;
  for (int i = 0; i < 8; i++) bytes[56 + i] = (u8)(8000000ul >> (56 - 8 * i));
  block(hash, bytes);
  char out[66];
  for (int i = 0; i < 64; i++) out[i] = "0123456789abcdef"[hash[i / 8] >> (28 - 4 * (i % 8)) & 15];
  out[64] = '\n';
  out[65] = 0;
  text(out);
}

void _start(void) {
  u64 inside = mandelbrot();
  text("points of the Mandelbrot set in the picture: ");
  number(inside);
  text("\nprimes below 2000000: ");
  number(primes());
  text("\nout of order after two heap sorts of 200000 numbers: ");
  number(sort(orders[0]) + sort(orders[1]));
  text("\nways to place ten queens: ");
  number(queens(10, 0, 0, 0));
  text("\nSHA-256 of a million letters a: ");
  sha256_of_a_million_a();
  call(EXIT, 0, 0, 0);
  for (;;) {
  }
}

// Says its version, which is in its code only.
#include <stdio.h>

__attribute__((noinline)) static int version(void) { return VERSION; }

int main(void) {
    int sum = 0;
    for (volatile int i = 0; i < 1000; i++) sum += version();
    printf("%d\n", sum / 1000);
    return 0;
}

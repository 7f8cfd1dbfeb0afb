// A tiny program: says one word and ends when its input does. Built static by benches/small.
#include <stdio.h>
#include <unistd.h>

int main(void) {
    char c;
    puts("hello");
    fflush(stdout);
    return read(0, &c, 1) != 0;
}

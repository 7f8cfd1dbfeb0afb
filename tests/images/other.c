// A file with one function. What it returns is in its first instruction; the argument's target is read and does not matter.
#define TEXT(x) #x
#define NUMBER(x) TEXT(x)
__asm__(".text\n.globl function\n.type function, %function\n.balign 65536\n"
        "function: mov w1, #" NUMBER(VERSION) "\nldr w2, [x0]\nmov w0, w1\nret\n"
        ".size function, . - function\n.balign 65536\n");

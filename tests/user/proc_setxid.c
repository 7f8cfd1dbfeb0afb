// The C library's own signal: setuid in a program with threads is done by each of them, on signal 33.
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <unistd.h>

static sem_t ready, done;

static void *wait(void *arg) {
    sem_post(&ready);
    sem_wait(&done);
    return arg;
}

int main(void) {
    pthread_t t[3];
    sem_init(&ready, 0, 0);
    sem_init(&done, 0, 0);
    for (int i = 0; i < 3; i++) pthread_create(&t[i], 0, wait, 0);
    for (int i = 0; i < 3; i++) sem_wait(&ready);
    for (int i = 0; i < 20; i++)
        if (setuid(getuid()) || setgid(getgid())) return 1;
    for (int i = 0; i < 3; i++) sem_post(&done);
    for (int i = 0; i < 3; i++) pthread_join(t[i], 0);
    puts("changed");
    return 0;
}

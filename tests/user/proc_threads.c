// Threads: creation, joining, thread-local storage, mutexes, condition variables, robust mutexes, exit of the first thread, many of them.
#include "sys.h"
#include <pthread.h>
#include <stdatomic.h>

static __thread int local = 7;
static atomic_int sum;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int ready, counter;

static void *add(void *arg) {
    local += (int)(long)arg;
    for (int i = 0; i < 1000; i++) {
        pthread_mutex_lock(&lock);
        counter++;
        pthread_mutex_unlock(&lock);
    }
    atomic_fetch_add(&sum, local);
    return (void *)(long)local;
}

static void *waiter(void *arg) {
    pthread_mutex_lock(&lock);
    while (!ready) pthread_cond_wait(&cond, &lock);
    pthread_mutex_unlock(&lock);
    return (void *)(long)(syscall(SYS_gettid) != getpid());
}

static void *dies_with_lock(void *arg) {
    pthread_mutex_lock(arg);
    return NULL;
}

static void *sleeper(void *arg) {
    for (;;) pause();
}

static void *last(void *main_thread) {
    SHOW(pthread_join(*(pthread_t *)main_thread, NULL));
    SAY("the last thread ends the process");
    fflush(stdout);
    return NULL;
}

int main(void) {
    pthread_t t[8];
    void *r;
    for (long i = 0; i < 8; i++) SHOW(pthread_create(&t[i], NULL, add, (void *)i));
    for (int i = 0; i < 8; i++) {
        pthread_join(t[i], &r);
        SAY("joined %ld", (long)r);
    }
    SAY("%d %d %d", atomic_load(&sum), counter, local);

    for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, waiter, NULL);
    usleep(1000);
    pthread_mutex_lock(&lock);
    ready = 1;
    pthread_cond_broadcast(&cond);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], &r);
        SAY("own tid %ld", (long)r);
    }

    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_t robust;
    pthread_mutex_init(&robust, &a);
    pthread_create(&t[0], NULL, dies_with_lock, &robust);
    pthread_join(t[0], NULL);
    SAY("owner died: %s", strerrorname_np(pthread_mutex_lock(&robust)));
    SHOW(pthread_mutex_consistent(&robust));

    pthread_create(&t[0], NULL, sleeper, NULL);
    SHOW(pthread_cancel(t[0]));
    pthread_join(t[0], &r);
    SAY("cancelled %d", r == PTHREAD_CANCELED);

    int made = 0;
    for (int i = 0; i < 500; i++) {
        if (pthread_create(&t[0], NULL, add, NULL) == 0) made++;
        pthread_join(t[0], NULL);
    }
    SAY("%d made", made);

    // a fork in a program with threads has one thread
    pthread_create(&t[0], NULL, sleeper, NULL);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        pthread_create(&t[1], NULL, add, NULL);
        pthread_join(t[1], &r);
        _exit(local + (int)(long)r);
    }
    int status;
    waitpid(pid, &status, 0);
    SAY("child %d", WEXITSTATUS(status));

    pid = fork();
    if (pid == 0) {
        static pthread_t self;
        self = pthread_self();
        pthread_create(&t[0], NULL, last, &self);
        pthread_exit(NULL);
    }
    waitpid(pid, &status, 0);
    SAY("ended with %x", status);
    return 0;
}

// System V semaphores, messages, shared memory and POSIX queues with their control structures.
#include "sys.h"
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

union semun { int val; struct semid_ds *buf; unsigned short *array; struct seminfo *info; };

static void semaphores(void) {
    int id = semget(IPC_PRIVATE, 5, 0640 | IPC_CREAT);
    unsigned short values[5] = {1, 22, 333, 4444, 32767}, got[5];
    SHOW(semctl(id, 0, SETALL, (union semun){.array = values}));
    SHOW(semctl(id, 0, GETALL, (union semun){.array = got}));
    SAY("values %u %u %u %u %u", got[0], got[1], got[2], got[3], got[4]);
    SHOW(semctl(id, 2, SETVAL, (union semun){.val = 7}));
    SHOW(semctl(id, 2, GETVAL));
    struct sembuf ops[2] = {{0, -1, 0}, {1, 3, SEM_UNDO}};
    SHOW(semop(id, ops, 2));
    SHOW(semctl(id, 1, GETVAL));
    SAY("last by me: %d", semctl(id, 0, GETPID) == getpid());
    struct semid_ds ds;
    memset(&ds, 0xee, sizeof ds);
    SHOW(semctl(id, 0, IPC_STAT, (union semun){.buf = &ds}));
    time_t now = time(NULL);
    SAY("stat: nsems=%lu mode=%o otime=%d ctime=%d uid=%d", (unsigned long)ds.sem_nsems, ds.sem_perm.mode, now - ds.sem_otime < 100 && now >= ds.sem_otime,
        now - ds.sem_ctime < 100 && now >= ds.sem_ctime, ds.sem_perm.uid == geteuid());
    ds.sem_perm.mode = 0600;
    SHOW(semctl(id, 0, IPC_SET, (union semun){.buf = &ds}));
    SHOW(semctl(id, 0, IPC_STAT, (union semun){.buf = &ds}));
    SAY("mode now %o, nsems %lu", ds.sem_perm.mode, (unsigned long)ds.sem_nsems);
    struct seminfo info;
    OK(semctl(id, 0, IPC_INFO, (union semun){.info = &info}));
    SAY("semmsl positive: %d", info.semmsl > 0);
    SHOW(semctl(id, 0, IPC_STAT, (union semun){.buf = BAD}));
    SHOW(semctl(id, 0, IPC_SET, (union semun){.buf = BAD}));
    struct sembuf wait = {0, -1, IPC_NOWAIT};
    SHOW(semop(id, &wait, 1));
    wait.sem_flg = 0;
    struct timespec soon = {0, 3000000};
    SHOW(semtimedop(id, &wait, 1, &soon));
    SHOW(semctl(id, 9, GETVAL));
    SHOW(semctl(id, 0, IPC_RMID));
    SHOW(semctl(id, 0, IPC_STAT, (union semun){.buf = &ds}));
}

static void messages(void) {
    int id = msgget(IPC_PRIVATE, 0600 | IPC_CREAT);
    struct { long type; char text[40]; } m = {3, "third"};
    SHOW(msgsnd(id, &m, 6, 0));
    m.type = 1;
    strcpy(m.text, "first");
    SHOW(msgsnd(id, &m, 6, 0));
    struct msqid_ds ds;
    memset(&ds, 0xee, sizeof ds);
    SHOW(msgctl(id, IPC_STAT, &ds));
    SAY("stat: qnum=%lu cbytes=%lu mode=%o me=%d stime=%d", (unsigned long)ds.msg_qnum, (unsigned long)ds.__msg_cbytes, ds.msg_perm.mode, ds.msg_lspid == getpid(),
        time(NULL) - ds.msg_stime < 100);
    ds.msg_qbytes = 8192;
    SHOW(msgctl(id, IPC_SET, &ds));
    SHOW(msgrcv(id, &m, sizeof m.text, 1, 0));
    SAY("got %ld %s", m.type, m.text);
    SHOW(msgrcv(id, &m, 2, 0, 0));
    SHOW(msgrcv(id, &m, 2, 0, MSG_NOERROR));
    SHOW(msgrcv(id, &m, sizeof m.text, 0, IPC_NOWAIT));
    SHOW(msgctl(id, IPC_STAT, BAD));
    SHOW(msgctl(id, IPC_RMID, NULL));
    SHOW(msgsnd(id, &m, 6, 0));
}

static void memory(void) {
    int id = shmget(IPC_PRIVATE, 70000, 0600 | IPC_CREAT);
    char *a = shmat(id, NULL, 0), *b = shmat(id, NULL, SHM_RDONLY);
    SAY("attached %d %d aligned %d", a != (void *)-1, b != (void *)-1 && a != b, ((uintptr_t)a & 4095) == 0);
    strcpy(a + 69000, "shared");
    SAY("seen: %s", b + 69000);
    struct shmid_ds ds;
    memset(&ds, 0xee, sizeof ds);
    SHOW(shmctl(id, IPC_STAT, &ds));
    SAY("stat: size=%lu nattch=%lu mode=%o me=%d", (unsigned long)ds.shm_segsz, (unsigned long)ds.shm_nattch, ds.shm_perm.mode, ds.shm_cpid == getpid());
    pid_t child = fork();
    if (child == 0) {
        strcpy(a, "from the child");
        _exit(0);
    }
    waitpid(child, NULL, 0);
    SAY("parent reads: %s", b);
    char *fixed = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    SHOW(shmat(id, fixed, 0));
    SAY("remap: %d %.4s", shmat(id, fixed, SHM_REMAP) == fixed, fixed);
    SHOW(shmat(id, fixed + 1, 0));
    SHOW(shmdt(a));
    SHOW(shmdt(a));
    SHOW(shmctl(id, IPC_STAT, &ds));
    SAY("nattch=%lu", (unsigned long)ds.shm_nattch);
    SHOW(shmctl(id, IPC_RMID, NULL));
    SAY("still readable: %.4s", b);
    SHOW(shmdt(b));
    SHOW(shmdt(fixed));
    SHOW(shmat(id, NULL, 0));
}

static void queues(void) {
    char name[64];
    snprintf(name, sizeof name, "/metaphrase-test-%d", getpid());
    struct mq_attr attr = {.mq_maxmsg = 5, .mq_msgsize = 100};
    mqd_t q = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0600, &attr);
    if (q < 0) {
        SAY("mq_open %s", strerrorname_np(errno));
        return;
    }
    SHOW(mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr));
    SHOW(mq_send(q, "low", 4, 1));
    SHOW(mq_send(q, "high", 5, 9));
    memset(&attr, 0xee, sizeof attr);
    SHOW(mq_getattr(q, &attr));
    SAY("attr: flags=%d maxmsg=%ld msgsize=%ld curmsgs=%ld", attr.mq_flags == O_NONBLOCK, attr.mq_maxmsg, attr.mq_msgsize, attr.mq_curmsgs);
    char text[100];
    unsigned priority;
    SHOW(mq_receive(q, text, sizeof text, &priority));
    SAY("%s at %u", text, priority);
    SHOW(mq_receive(q, text, 10, &priority));
    SHOW(mq_receive(q, text, sizeof text, &priority));
    SHOW(mq_receive(q, text, sizeof text, &priority));
    struct sigevent sev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 77};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    SHOW(mq_notify(q, &sev));
    SHOW(mq_send(q, "wake", 5, 0));
    siginfo_t info;
    struct timespec limit = {2, 0};
    SHOW(sigtimedwait(&set, &info, &limit));
    SAY("signal code %d value %d", info.si_code, info.si_value.sival_int);
    SHOW(mq_close(q));
    SHOW(mq_unlink(name));
    SHOW(mq_unlink(name));
}

int main(void) {
    semaphores();
    messages();
    memory();
    queues();
    return 0;
}

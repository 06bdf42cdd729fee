// A clock that stands still until a test moves it, for an evbd that it is preloaded into (Tests/Guards/clock.py).
//
// EVBD_STEP_CLOCK names a file of two numbers of 64 bits that both map: what time it is, in nanoseconds, which the test writes; and when
// the one timer is due, 0 for never, which the program writes. All clocks show the first. The timer is the FIFO beside the file
// (NAME.timer): eight octets in it are a timer that has expired, as a timerfd gives them.

#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *shared;
static char fifo[PATH_MAX];
static const int64_t second = 1000000000;
/// Where the clock of the wall is when the others show nothing.
static const int64_t epoch = 1700000000;

static void fail(const char *what) {
    perror(what);
    _exit(70);
}

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("EVBD_STEP_CLOCK");
    if (!path) fail("stepclock: EVBD_STEP_CLOCK is not set");
    snprintf(fifo, sizeof fifo, "%s.timer", path);
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) fail(path);
    void *mapped = mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED) fail(path);
    shared = mapped;
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int64_t now = shared ? shared[0] : 0;
    time->tv_sec = now / second + (clock == CLOCK_REALTIME ? epoch : 0);
    time->tv_nsec = now % second;
    return 0;
}

int timerfd_create(int clock, int flags) {
    (void)clock;
    (void)flags;
    return open(fifo, O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

int timerfd_settime(int timer, int flags, const struct itimerspec *new, struct itimerspec *old) {
    (void)flags;
    (void)old;
    int64_t due = new->it_value.tv_sec * second + new->it_value.tv_nsec;
    uint64_t once = 1;
    while (read(timer, &once, sizeof once) > 0) {}
    once = 1;
    shared[1] = due;
    // Due already: the test rings only for what it has moved the clock to.
    if (due && due <= shared[0]) {
        shared[1] = 0;
        if (write(timer, &once, sizeof once) != sizeof once) return -1;
    }
    return 0;
}

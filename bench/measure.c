/*
 * Runs a program and tells what it used, as one line of JSON on an open file descriptor:
 *
 *     measure DESCRIPTOR SECONDS PROGRAM ARGUMENT...
 *
 * A program of its own, because the peak memory that the kernel reports for a child begins with what its parent had when
 * it was started: below a Python interpreter every small program would look as large as Python.
 *
 * After SECONDS, or when we are told to end, the program and everything it started is killed; what it used until then is
 * told all the same, with "late": 1.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t child, late;

static double seconds(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec / 1e6; }

static void enough(int signal_number) {
    (void)signal_number;
    late = 1;
    if (child > 0) kill(-child, SIGKILL);
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    int report = atoi(argv[1]);
    struct timespec began, ended;
    struct rusage used;
    int status;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    clock_gettime(CLOCK_MONOTONIC, &began);
    pid_t started = fork();
    if (started < 0) {
        perror("fork");
        return 1;
    }
    if (started == 0) {
        setpgid(0, 0);
        close(report);
        execvp(argv[3], argv + 3);
        perror(argv[3]);
        _exit(127);
    }
    setpgid(started, started); /* whichever of the two comes first */
    child = started;
    struct sigaction action = {.sa_handler = enough};
    sigaction(SIGALRM, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    alarm((unsigned)atoi(argv[2]));
    while (wait4(started, &status, 0, &used) < 0) {
        if (errno != EINTR) {
            perror("wait4");
            return 1;
        }
    }
    clock_gettime(CLOCK_MONOTONIC, &ended);
    double wall = (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    dprintf(report,
            "{\"code\": %d, \"late\": %d, \"user_s\": %.6f, \"sys_s\": %.6f, \"wall_s\": %.6f, \"peak_kib\": %ld}\n", code,
            (int)late, seconds(used.ru_utime), seconds(used.ru_stime), wall, used.ru_maxrss);
    return 0;
}

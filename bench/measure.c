/*
 * Runs a program and tells what it used, as one line of JSON on an open file descriptor:
 *
 *     measure DESCRIPTOR PROGRAM ARGUMENT...
 *
 * A program of its own, because the peak memory that the kernel reports for a child begins with what its parent had when
 * it was started: below a Python interpreter every small program would look as large as Python.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec / 1e6; }

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    int report = atoi(argv[1]);
    struct timespec began, ended;
    struct rusage used;
    int status;
    clock_gettime(CLOCK_MONOTONIC, &began);
    pid_t child = fork();
    if (child < 0) {
        perror("fork");
        return 1;
    }
    if (child == 0) {
        close(report);
        execvp(argv[2], argv + 2);
        perror(argv[2]);
        _exit(127);
    }
    if (wait4(child, &status, 0, &used) < 0) {
        perror("wait4");
        return 1;
    }
    clock_gettime(CLOCK_MONOTONIC, &ended);
    double wall = (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    dprintf(report, "{\"code\": %d, \"user_s\": %.6f, \"sys_s\": %.6f, \"wall_s\": %.6f, \"peak_kib\": %ld}\n", code,
            seconds(used.ru_utime), seconds(used.ru_stime), wall, used.ru_maxrss);
    return 0;
}

/* A file server that was restarted, for LD_PRELOAD: from write number STALE_AT on, writes to the journal fail through the file descriptor that
   it has by then, with ESTALE. One that is opened later works. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is_stale(int file) {
    static long writes;
    static int stale = -1;
    char link[64], name[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, name, sizeof name - 1);
    if (length < 0) return 0;
    name[length] = 0;
    const char *at = getenv("STALE_AT"), *end = strrchr(name, '.');
    if (!at || !end || strcmp(end, ".journal") != 0) return 0;
    if (++writes == atol(at)) stale = file;
    if (file != stale) return 0;
    errno = ESTALE;
    return 1;
}

ssize_t write(int file, const void *bytes, size_t count) {
    ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    return is_stale(file) ? -1 : real(file, bytes, count);
}

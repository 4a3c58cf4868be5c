/* A file system without locks, for LD_PRELOAD: flock(2) and the locks of fcntl(2) fail with the error number NOLOCKS, as on NFS without
   lockd and on Lustre without -o flock. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>

static int refuse(void) {
    const char *number = getenv("NOLOCKS");
    errno = number ? atoi(number) : ENOLCK;
    return -1;
}

int flock(int file, int operation) {
    (void)file;
    (void)operation;
    return refuse();
}

static int pass_on(const char *name, int file, int command, void *argument) {
    if (command == F_SETLK || command == F_SETLKW || command == F_OFD_SETLK || command == F_OFD_SETLKW) {
        return refuse();
    }
    int (*next)(int, int, ...) = (int (*)(int, int, ...))dlsym(RTLD_NEXT, name);
    return next(file, command, argument);
}

int fcntl(int file, int command, ...) {
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    return pass_on("fcntl", file, command, argument);
}

int fcntl64(int file, int command, ...) {
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    return pass_on("fcntl64", file, command, argument);
}

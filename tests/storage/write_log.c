/* Preloaded into a process: logs every write to and every sync of files called data.mdb, in order, so that a test can
   rebuild what a disk might hold after a power cut. A record is 'W' offset length data, or 'S'. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static int log_fd = -1;

static int watched(int fd) {
    char link[64], name[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, name, sizeof name - 1);
    if (n < 8) return 0;
    name[n] = 0;
    if (strcmp(name + n - 8, "data.mdb") != 0) return 0;
    if (log_fd < 0) log_fd = open(getenv("WRITE_LOG"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    return log_fd >= 0;
}

static void put(const void *data, size_t size) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    if (real(log_fd, data, size) != (ssize_t)size) abort();
}

static void note(uint64_t offset, const void *data, uint64_t size) {
    put("W", 1);
    put(&offset, 8);
    put(&size, 8);
    put(data, size);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (!real) real = (ssize_t (*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
    ssize_t n = real(fd, data, size, offset);
    if (n > 0 && watched(fd)) note((uint64_t)offset, data, (uint64_t)n);
    return n;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) { return pwrite64(fd, data, size, offset); }

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) {
    ssize_t total = 0;
    for (int i = 0; i < count; i++) {
        ssize_t n = pwrite64(fd, parts[i].iov_base, parts[i].iov_len, offset + total);
        if (n < 0) return n;
        total += n;
    }
    return total;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) { return pwritev64(fd, parts, count, offset); }

ssize_t write(int fd, const void *data, size_t size) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    off64_t at = lseek64(fd, 0, SEEK_CUR);
    ssize_t n = real(fd, data, size);
    if (n > 0 && at >= 0 && fd != log_fd && watched(fd)) note((uint64_t)at, data, (uint64_t)n);
    return n;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    ssize_t total = 0;
    for (int i = 0; i < count; i++) {
        ssize_t n = write(fd, parts[i].iov_base, parts[i].iov_len);
        if (n < 0) return n;
        total += n;
    }
    return total;
}

static int synced(int fd, const char *name) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    int result = real(fd);
    if (result == 0 && watched(fd)) put("S", 1);
    return result;
}

int fdatasync(int fd) { return synced(fd, "fdatasync"); }
int fsync(int fd) { return synced(fd, "fsync"); }

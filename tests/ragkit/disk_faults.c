/* Loaded before the C library (LD_PRELOAD): counts what changes files below one folder, whoever
 * does it - SQLite, FAISS, tantivy, Python - and at a chosen count makes something happen.
 *
 * kill_at(limit) arms it; 0 only counts. DISK_FAULT says what happens at the limit:
 *   kill   the process is killed instead of making that change (the default)
 *   torn   half of what was to be written is written, and the process is killed
 *   full   from there on nothing can be written: ENOSPC
 * DISK_FOLDER is the folder's path. DISK_LOG, if set, is a folder that gets a copy of each file as
 * it is each time it is made durable, and a list of what was made durable when. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int armed, count, limit_at;
static char mode;
static const char *folder, *log_folder;
static size_t folder_length;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int kill_count(void) { return count; }

void kill_at(int limit)
{
    const char *what = getenv("DISK_FAULT");
    mode = what ? what[0] : 'k';
    folder = getenv("DISK_FOLDER");
    folder_length = folder ? strlen(folder) : 0;
    log_folder = getenv("DISK_LOG");
    count = 0;
    limit_at = limit;
    armed = 1;
}

static int ours(const char *path)
{
    /* Names relative to an open folder come from deleting trees of it. */
    return path && (path[0] != '/' || !strncmp(path, folder, folder_length));
}

static int path_of(int fd, char *path, size_t size)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, size - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return path[0] == '/' && ours(path);
}

static int ours_open(int fd)
{
    char path[4096];
    return path_of(fd, path, sizeof path);
}

/* Counts a change; says whether it must fail for want of room. */
static int fails(int is_write)
{
    int now = __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
    if (!limit_at || now < limit_at) return 0;
    if (mode == 'f') {
        if (is_write) errno = ENOSPC;
        return is_write;
    }
    if (now == limit_at && !(mode == 't' && is_write)) raise(SIGKILL);
    return mode == 't' && now == limit_at;
}

static void note_durable(int fd)
{
    char path[4096], name[4200];
    struct stat status;
    if (!log_folder || !path_of(fd, path, sizeof path) || fstat(fd, &status)) return;
    int now = __atomic_add_fetch(&count, 0, __ATOMIC_SEQ_CST);
    snprintf(name, sizeof name, "%s/events", log_folder);
    FILE *events = fopen(name, "a");
    if (S_ISDIR(status.st_mode)) {
        DIR *opened = opendir(path);
        struct dirent *entry;
        fprintf(events, "D\t%d\t%s", now, path);
        while ((entry = readdir(opened)))
            if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
                fprintf(events, "\t%s\t%lu", entry->d_name, (unsigned long)entry->d_ino);
        closedir(opened);
    } else {
        snprintf(name, sizeof name, "%s/%d-%lu", log_folder, now, (unsigned long)status.st_ino);
        FILE *from = fopen(path, "r"), *to = fopen(name, "w");
        char block[65536];
        size_t length;
        while (from && to && (length = fread(block, 1, sizeof block, from)))
            fwrite(block, 1, length, to);
        if (from) fclose(from);
        if (to) fclose(to);
        fprintf(events, "F\t%d\t%lu", now, (unsigned long)status.st_ino);
    }
    fputc('\n', events);
    fclose(events);
}

#define WRITING(size, whole, half)                                                                 \
    if (armed && ours_open(fd) && fails(1)) {                                                      \
        if (mode == 'f') return -1;                                                                \
        if ((size) > 1) { half; }                                                                  \
        raise(SIGKILL);                                                                            \
    }                                                                                              \
    return whole

ssize_t write(int fd, const void *data, size_t size)
{
    WRITING(size, REAL(write)(fd, data, size), (void)!REAL(write)(fd, data, size / 2));
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
    WRITING(size, REAL(pwrite64)(fd, data, size, at), (void)!REAL(pwrite64)(fd, data, size / 2, at));
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
    WRITING(size, REAL(pwrite)(fd, data, size, at), (void)!REAL(pwrite)(fd, data, size / 2, at));
}

int fsync(int fd)
{
    if (armed && ours_open(fd)) fails(0);
    int result = REAL(fsync)(fd);
    if (armed) note_durable(fd);
    return result;
}

int fdatasync(int fd)
{
    if (armed && ours_open(fd)) fails(0);
    int result = REAL(fdatasync)(fd);
    if (armed) note_durable(fd);
    return result;
}

int ftruncate64(int fd, off64_t size)
{
    if (armed && ours_open(fd)) fails(0);
    return REAL(ftruncate64)(fd, size);
}

int ftruncate(int fd, off_t size)
{
    if (armed && ours_open(fd)) fails(0);
    return REAL(ftruncate)(fd, size);
}

int rename(const char *from, const char *to)
{
    if (armed && ours(to)) fails(0);
    return REAL(rename)(from, to);
}

int unlink(const char *path)
{
    if (armed && ours(path)) fails(0);
    return REAL(unlink)(path);
}

int unlinkat(int at, const char *path, int flags)
{
    if (armed && ours(path)) fails(0);
    return REAL(unlinkat)(at, path, flags);
}

int mkdir(const char *path, mode_t rights)
{
    if (armed && ours(path) && fails(mode == 'f')) return -1;
    return REAL(mkdir)(path, rights);
}

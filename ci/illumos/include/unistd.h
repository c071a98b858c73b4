#pragma once
#include <sys/types.h>
#define STDIN_FILENO 0
#define STDOUT_FILENO 1
#define STDERR_FILENO 2
#define _SC_PAGESIZE 11
#define _SC_NPROCESSORS_CONF 14
#define _SC_NPROCESSORS_ONLN 15
#define _SC_PHYS_PAGES 500
long sysconf(int); int close(int); ssize_t read(int, void *, size_t); ssize_t write(int, const void *, size_t);
off_t lseek(int, off_t, int); pid_t getpid(void); pid_t fork(void); void _exit(int) __attribute__((noreturn)); int unlink(const char *);
int access(const char *, int); int isatty(int); uid_t getuid(void); uid_t geteuid(void); gid_t getgid(void); gid_t getegid(void);
int usleep(unsigned int); unsigned int sleep(unsigned int); int pipe(int *); int ftruncate(int, off_t); int getentropy(void *, size_t);
int getpagesize(void); int dup(int); int issetugid(void);

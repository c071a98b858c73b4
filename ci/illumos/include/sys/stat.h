#pragma once
#include <sys/types.h>
#include <time.h>
struct stat { dev_t st_dev; ino_t st_ino; mode_t st_mode; nlink_t st_nlink; uid_t st_uid; gid_t st_gid; dev_t st_rdev; off_t st_size;
  struct timespec st_atim, st_mtim, st_ctim; blksize_t st_blksize; blkcnt_t st_blocks; char st_fstype[16]; };
#define S_IFMT 0xF000
#define S_IFDIR 0x4000
#define S_IFREG 0x8000
#define S_ISDIR(m) (((m) & S_IFMT) == S_IFDIR)
#define S_ISREG(m) (((m) & S_IFMT) == S_IFREG)
#define S_IRUSR 0400
#define S_IWUSR 0200
int stat(const char *, struct stat *); int fstat(int, struct stat *); int chmod(const char *, mode_t); int mkdir(const char *, mode_t);

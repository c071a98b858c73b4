#pragma once
#include <stddef.h>
#include <stdint.h>
typedef long ssize_t; typedef long off_t; typedef int pid_t; typedef int id_t;
typedef unsigned int uid_t, gid_t, mode_t, nlink_t, uint_t; typedef unsigned char uchar_t;
typedef unsigned long dev_t, ino_t, ulong_t; typedef int blksize_t; typedef long blkcnt_t;
typedef long time_t, suseconds_t, clock_t; typedef int clockid_t;
typedef unsigned int pthread_t, pthread_key_t;
typedef struct { uint16_t f[3]; uint16_t type_magic[1]; uint64_t lock, data; } pthread_mutex_t;
typedef struct { uint8_t f[4]; uint16_t type, magic; uint64_t data; } pthread_cond_t;
typedef struct { int32_t readers; uint16_t type, magic; pthread_mutex_t m; pthread_cond_t r, w; } pthread_rwlock_t;
typedef struct { uint64_t p[4]; } pthread_once_t;
typedef struct { void *p; } pthread_attr_t, pthread_mutexattr_t, pthread_condattr_t, pthread_rwlockattr_t;

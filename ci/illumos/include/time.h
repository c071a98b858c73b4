#pragma once
#include <sys/types.h>
struct timespec { time_t tv_sec; long tv_nsec; };
struct tm { int tm_sec, tm_min, tm_hour, tm_mday, tm_mon, tm_year, tm_wday, tm_yday, tm_isdst; };
#define CLOCK_REALTIME 3
#define CLOCK_MONOTONIC 4
#define CLOCKS_PER_SEC 1000000
time_t time(time_t *); clock_t clock(void); int clock_gettime(clockid_t, struct timespec *);
struct tm *gmtime(const time_t *); struct tm *gmtime_r(const time_t *, struct tm *); struct tm *localtime_r(const time_t *, struct tm *);
time_t mktime(struct tm *); int nanosleep(const struct timespec *, struct timespec *); size_t strftime(char *, size_t, const char *, const struct tm *);

#pragma once
#include <sys/types.h>
struct dirent { ino_t d_ino; off_t d_off; unsigned short d_reclen; char d_name[1]; };
typedef struct DIR_ DIR;
DIR *opendir(const char *); struct dirent *readdir(DIR *); int closedir(DIR *);

#pragma once
#include <sys/types.h>
#define MAXPATHLEN 1024

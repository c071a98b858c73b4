#pragma once
#define PATH_MAX 1024
#define IOV_MAX 1024
#ifndef SSIZE_MAX
#define SSIZE_MAX 9223372036854775807L
#endif

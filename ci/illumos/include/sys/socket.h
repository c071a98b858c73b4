#pragma once
#include <sys/types.h>
typedef unsigned int socklen_t; typedef unsigned short sa_family_t;
struct sockaddr { sa_family_t sa_family; char sa_data[14]; };
struct sockaddr_storage { sa_family_t ss_family; char pad1[6]; double align; char pad2[240]; };
#define AF_UNSPEC 0
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 26
#define SOCK_DGRAM 1
#define SOCK_STREAM 2
#define SOL_SOCKET 0xffff
#define SO_REUSEADDR 4
#define SO_KEEPALIVE 8
#define SO_ERROR 0x1007
#define MSG_PEEK 2
#define SHUT_RDWR 2
int socket(int, int, int); int connect(int, const struct sockaddr *, socklen_t); int bind(int, const struct sockaddr *, socklen_t);
int listen(int, int); int accept(int, struct sockaddr *, socklen_t *); int shutdown(int, int); ssize_t send(int, const void *, size_t, int);
ssize_t recv(int, void *, size_t, int); ssize_t sendto(int, const void *, size_t, int, const struct sockaddr *, socklen_t);
ssize_t recvfrom(int, void *, size_t, int, struct sockaddr *, socklen_t *); int getsockname(int, struct sockaddr *, socklen_t *);
int getpeername(int, struct sockaddr *, socklen_t *); int setsockopt(int, int, int, const void *, socklen_t); int getsockopt(int, int, int, void *, socklen_t *);

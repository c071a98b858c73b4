#pragma once
struct pollfd { int fd; short events, revents; };
#define POLLIN 1
#define POLLOUT 4
int poll(struct pollfd *, unsigned long, int);

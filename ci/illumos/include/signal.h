#pragma once
#include <sys/types.h>
#include <time.h>
typedef struct { unsigned int bits[4]; } sigset_t; typedef int sig_atomic_t; typedef struct siginfo siginfo_t;
struct sigaction { int sa_flags; union { void (*sa_handler)(int); void (*sa_sigaction)(int, siginfo_t *, void *); } u; sigset_t sa_mask; };
#define sa_handler u.sa_handler
#define SIG_BLOCK 1
#define SIG_UNBLOCK 2
#define SIG_SETMASK 3
#define SIGHUP 1
#define SIGINT 2
#define SIGQUIT 3
#define SIGILL 4
#define SIGTRAP 5
#define SIGABRT 6
#define SIGEMT 7
#define SIGFPE 8
#define SIGKILL 9
#define SIGBUS 10
#define SIGSEGV 11
#define SIGSYS 12
#define SIGPIPE 13
#define SIGALRM 14
#define SIGTERM 15
#define SIGUSR1 16
#define SIGUSR2 17
#define SIGCHLD 18
#define SIGPWR 19
#define SIGWINCH 20
#define SIGURG 21
#define SIGPOLL 22
#define SIGSTOP 23
#define SIGTSTP 24
#define SIGCONT 25
#define SIGTTIN 26
#define SIGTTOU 27
#define SIG_DFL ((void (*)(int))0)
#define SIG_IGN ((void (*)(int))1)
int sigfillset(sigset_t *); int sigemptyset(sigset_t *); int sigaddset(sigset_t *, int); int sigdelset(sigset_t *, int);
int sigprocmask(int, const sigset_t *, sigset_t *); int pthread_sigmask(int, const sigset_t *, sigset_t *);
int sigaction(int, const struct sigaction *, struct sigaction *); int raise(int); void (*signal(int, void (*)(int)))(int);

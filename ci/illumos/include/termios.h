#pragma once
struct termios { unsigned int c_iflag, c_oflag, c_cflag, c_lflag; unsigned char c_cc[19]; };
#define ECHO 8
#define VEOF 4
#define VMIN 4
#define VTIME 5
#define ICANON 2
#define TCSANOW 0x540e
#define TCSAFLUSH 0x5410
int tcgetattr(int, struct termios *); int tcsetattr(int, int, const struct termios *);

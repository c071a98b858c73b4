#pragma once
#include <stddef.h>
#include <stdarg.h>
#include <sys/types.h>
typedef struct { long pad[16]; } FILE; typedef long fpos_t;
extern FILE __iob[];
#define stdin (&__iob[0])
#define stdout (&__iob[1])
#define stderr (&__iob[2])
#define EOF (-1)
#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2
#define BUFSIZ 1024
#define _IONBF 4
int printf(const char *, ...); int fprintf(FILE *, const char *, ...); int sprintf(char *, const char *, ...);
int snprintf(char *, size_t, const char *, ...); int vfprintf(FILE *, const char *, va_list); int vprintf(const char *, va_list);
int vsnprintf(char *, size_t, const char *, va_list); int sscanf(const char *, const char *, ...); int puts(const char *);
FILE *fopen(const char *, const char *); FILE *fdopen(int, const char *); int fclose(FILE *); int fflush(FILE *);
size_t fread(void *, size_t, size_t, FILE *); size_t fwrite(const void *, size_t, size_t, FILE *); int fseek(FILE *, long, int);
long ftell(FILE *); void rewind(FILE *); int feof(FILE *); int ferror(FILE *); void clearerr(FILE *); int fileno(FILE *);
int fputs(const char *, FILE *); int fputc(int, FILE *); char *fgets(char *, int, FILE *); int fgetc(FILE *); int putc(int, FILE *);
int setvbuf(FILE *, char *, int, size_t); int remove(const char *); int rename(const char *, const char *); void perror(const char *);
int fseeko(FILE *, off_t, int); off_t ftello(FILE *);

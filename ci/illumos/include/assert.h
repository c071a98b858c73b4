#undef assert
#ifdef NDEBUG
#define assert(e) ((void)0)
#else
extern void __assert_c99(const char *, const char *, int, const char *);
#define assert(e) ((e) ? (void)0 : __assert_c99(#e, __FILE__, __LINE__, __func__))
#endif
#ifndef __cplusplus
#undef static_assert
#define static_assert _Static_assert
#endif

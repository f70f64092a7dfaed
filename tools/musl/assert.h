/*
 * assert for the shipped binary. It stays on, and says the file and the line
 * but not the condition and the function: 233 of them weigh 12 KiB less.
 */
#undef assert
#define assert(c) ((c) ? (void)0 : adit_assert_failed(__FILE__, __LINE__))
#ifndef static_assert
#define static_assert _Static_assert
#endif
#ifndef ADIT_TOOLS_MUSL_ASSERT_H
#define ADIT_TOOLS_MUSL_ASSERT_H
_Noreturn void adit_assert_failed(const char *file, int line)
    __attribute__((cold));
#endif

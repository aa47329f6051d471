/*
 * Assertions about our own code, and the attributes that make the compiler check callers.
 *
 * MT_CHECK is for our bugs alone and stays on in release builds; nothing that a peer sends may
 * reach one. MT_CHECK_SLOW walks whole structures and is on in debug, asan and fuzz builds.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MT_MUST_USE __attribute__((warn_unused_result))
#define MT_FORMAT(fmt, args) __attribute__((format(printf, fmt, args)))
#define MT_NONNULL __attribute__((nonnull))
/* For a large local that is written before it is read, on the path of each message: spares its
 * zeroing. */
#define MT_UNINITIALIZED __attribute__((uninitialized))
#define MT_CLEANUP(fn) __attribute__((cleanup(fn)))
#define MT_PUBLIC __attribute__((visibility("default")))
#define MT_LIKELY(x) __builtin_expect(!!(x), 1)
#define MT_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define MT_COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Prints what failed to standard error and aborts; the supervisor restarts. */
_Noreturn void mt_check_fail(const char *file, int line, const char *what);

#define MT_CHECK(cond) (MT_LIKELY(cond) ? (void)0 : mt_check_fail(__FILE__, __LINE__, #cond))

#ifdef MT_SLOW_CHECKS
#define MT_CHECK_SLOW(cond) MT_CHECK(cond)
#else
#define MT_CHECK_SLOW(cond) ((void)0)
#endif

/* The one macro that hides control flow: returns the status of `expr` to the caller unless it is
 * MT_OK. */
#define MT_TRY(expr) \
	do { \
		enum mt_status mt_try_status_ = (expr); \
		if (mt_try_status_ != MT_OK) \
			return mt_try_status_; \
	} while (0)

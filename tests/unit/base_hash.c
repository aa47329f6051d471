/*
 * SipHash-1-3 against a second implementation written after the paper with the rounds as
 * parameters, which the paper's own SipHash-2-4 vector proves; then what a table needs of hashes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/hash.h"
#include "base/rng.h"

struct sip {
	uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t value, unsigned by)
{
	return value << by | value >> (64 - by);
}

/* Figure 2.1 of the paper, in the order of its text. */
static void rounds(struct sip *s, unsigned count)
{
	while (count-- > 0) {
		s->v0 += s->v1;
		s->v2 += s->v3;
		s->v1 = rotate(s->v1, 13);
		s->v3 = rotate(s->v3, 16);
		s->v1 ^= s->v0;
		s->v3 ^= s->v2;
		s->v0 = rotate(s->v0, 32);
		s->v2 += s->v1;
		s->v0 += s->v3;
		s->v1 = rotate(s->v1, 17);
		s->v3 = rotate(s->v3, 21);
		s->v1 ^= s->v2;
		s->v3 ^= s->v0;
		s->v2 = rotate(s->v2, 32);
	}
}

/* The byte at `pos` of the padded message: zeros, then the length in the last byte of the last
 * word. */
static uint64_t padded(const uint8_t *text, size_t len, size_t pos)
{
	size_t total = (len / 8 + 1) * 8;
	if (pos < len)
		return text[pos];
	return pos == total - 1 ? len & 0xff : 0;
}

static uint64_t sip_hash(unsigned c, unsigned d, const uint64_t key[2], const uint8_t *text,
			 size_t len)
{
	struct sip s = {0x736f6d6570736575 ^ key[0], 0x646f72616e646f6d ^ key[1],
			0x6c7967656e657261 ^ key[0], 0x7465646279746573 ^ key[1]};
	for (size_t word = 0; word <= len / 8; word++) {
		uint64_t m = 0;
		for (size_t i = 8; i-- > 0;)
			m = m << 8 | padded(text, len, word * 8 + i);
		s.v3 ^= m;
		rounds(&s, c);
		s.v0 ^= m;
	}
	s.v2 ^= 0xff;
	rounds(&s, d);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/* Appendix A of the paper: key 00..0f, message 00..0e. */
static void the_second_implementation_meets_the_paper(void **state)
{
	static const uint64_t key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
	static const uint8_t text[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};
	(void)state;
	assert_true(sip_hash(2, 4, key, text, sizeof(text)) == 0xa129ca6149be45e5);
}

static void both_implementations_agree(void **state)
{
	struct mt_rng rng;
	(void)state;
	mt_rng_init(&rng, 9);
	for (size_t len = 0; len <= 300; len++)
		for (int round = 0; round < 20; round++) {
			struct mt_seed seed = {{mt_rng_next(&rng), mt_rng_next(&rng)}};
			uint8_t text[301];
			for (size_t i = 0; i <= len; i++)
				text[i] = (uint8_t)mt_rng_next(&rng);
			assert_true(mt_hash_bytes(seed, mt_bytes_of(text + round % 2, len)) ==
				    sip_hash(1, 3, seed.word, text + round % 2, len));
		}
	assert_true(mt_hash_bytes((struct mt_seed){{1, 2}}, mt_bytes_of(NULL, 0)) ==
		    sip_hash(1, 3, (const uint64_t[]){1, 2}, NULL, 0));
}

/* Both steps of the mixer are invertible, so distinct numbers stay distinct; the low bits must
 * spread as well. */
static void the_mixer_spreads_counters(void **state)
{
	(void)state;
	for (unsigned shift = 0; shift < 48; shift += 4) {
		unsigned hits[64] = {0};
		for (uint64_t i = 0; i < 6400; i++)
			hits[mt_hash_u64(i << shift) % 64]++;
		for (size_t i = 0; i < 64; i++) {
			assert_true(hits[i] > 40);
			assert_true(hits[i] < 200);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_second_implementation_meets_the_paper),
		cmocka_unit_test(both_implementations_agree),
		cmocka_unit_test(the_mixer_spreads_counters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

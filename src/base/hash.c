/* SipHash-1-3 after the paper by Aumasson and Bernstein: one round per word, three at the end. */
#include "base/hash.h"

#include <endian.h>

#define ROTATE(x, n) ((x) << (n) | (x) >> (64 - (n)))

static inline void mix(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = ROTATE(v[1], 13) ^ v[0];
	v[0] = ROTATE(v[0], 32);
	v[2] += v[3];
	v[3] = ROTATE(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = ROTATE(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = ROTATE(v[1], 17) ^ v[2];
	v[2] = ROTATE(v[2], 32);
}

static inline void absorb(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	mix(v);
	v[0] ^= word;
}

uint64_t mt_hash_bytes(struct mt_seed seed, struct mt_bytes bytes)
{
	uint64_t v[4] = {seed.word[0] ^ 0x736f6d6570736575ULL, seed.word[1] ^ 0x646f72616e646f6dULL,
			 seed.word[0] ^ 0x6c7967656e657261ULL,
			 seed.word[1] ^ 0x7465646279746573ULL};
	size_t pos = 0;
	uint64_t word = 0;
	for (; pos + 8 <= bytes.len; pos += 8) {
		memcpy(&word, bytes.data + pos, 8);
		absorb(v, le64toh(word));
	}
	word = (uint64_t)bytes.len << 56;
	for (size_t i = 0; pos + i < bytes.len; i++)
		word |= (uint64_t)bytes.data[pos + i] << (8 * i);
	absorb(v, word);
	v[2] ^= 0xff;
	mix(v);
	mix(v);
	mix(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

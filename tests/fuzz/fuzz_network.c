/*
 * A network as text: what is taken means what the C library reads, and what the library reads is
 * taken, but for IPv4 inside IPv6. Then the first 16 bytes as an address that must be inside or
 * not, bit by bit.
 */
#include "policy/rule.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT_BYTES 64

/* The library's reading: an address, and behind a slash a decimal number without leading zero. */
static bool read_twin(const char *text, struct mt_network *out)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	char address[TEXT_BYTES];
	const char *slash = strchr(text, '/');
	size_t bytes = slash ? (size_t)(slash - text) : strlen(text);
	unsigned long bits = 0;
	bool is_v4;
	memcpy(address, text, bytes);
	address[bytes] = '\0';
	is_v4 = inet_pton(AF_INET, address, out->address.byte + 12) == 1;
	if (is_v4)
		memcpy(out->address.byte, mapped, 12);
	else if (strchr(address, '.') || inet_pton(AF_INET6, address, out->address.byte) != 1)
		return false;
	out->prefix_bits = 128;
	if (!slash)
		return true;
	if (slash[1] == '\0' || strspn(slash + 1, "0123456789") != strlen(slash + 1) ||
	    strlen(slash + 1) > 3 || (slash[1] == '0' && slash[2] != '\0'))
		return false;
	bits = strtoul(slash + 1, NULL, 10);
	if (bits > (is_v4 ? 32 : 128))
		return false;
	out->prefix_bits = (uint8_t)(is_v4 ? bits + 96 : bits);
	return true;
}

static bool holds_twin(const struct mt_network *network, const struct mt_address *address)
{
	for (unsigned bit = 0; bit < network->prefix_bits; bit++)
		if ((network->address.byte[bit / 8] ^ address->byte[bit / 8]) >> (7 - bit % 8) & 1)
			return false;
	return true;
}

static void check_twin(const uint8_t *data, size_t size, bool is_taken,
		       const struct mt_network *network)
{
	char text[TEXT_BYTES] = "";
	struct mt_network twin = {.prefix_bits = 0};
	if (size >= sizeof(text) || (size > 0 && memchr(data, '\0', size))) {
		MT_CHECK(!is_taken);
		return;
	}
	if (size > 0)
		memcpy(text, data, size);
	MT_CHECK(read_twin(text, &twin) == is_taken);
	if (!is_taken)
		return;
	MT_CHECK(memcmp(&twin.address, &network->address, sizeof(twin.address)) == 0);
	MT_CHECK(twin.prefix_bits == network->prefix_bits);
}

/* What is printed is read as the same. */
static void check_round_trip(const struct mt_network *network)
{
	char address[INET6_ADDRSTRLEN], text[TEXT_BYTES];
	struct mt_network again;
	bool is_v4 = network->prefix_bits >= 96 &&
		     memcmp(network->address.byte, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0;
	MT_CHECK(inet_ntop(is_v4 ? AF_INET : AF_INET6, network->address.byte + (is_v4 ? 12 : 0),
			   address, sizeof(address)));
	if (!is_v4 && strchr(address, '.'))
		return;
	snprintf(text, sizeof(text), "%s/%d", address, network->prefix_bits - (is_v4 ? 96 : 0));
	MT_CHECK(mt_network_parse(mt_bytes_str(text), &again));
	MT_CHECK(again.prefix_bits == network->prefix_bits);
	MT_CHECK(memcmp(&again.address, &network->address, sizeof(again.address)) == 0);
}

/* The network's own address, the bytes of the input, and neighbours one bit away. */
static void check_inside(const struct mt_network *network, const uint8_t *data, size_t size)
{
	struct mt_address address = network->address;
	MT_CHECK(mt_network_holds(network, &address));
	for (unsigned bit = 0; bit < 128; bit++) {
		address.byte[bit / 8] ^= (uint8_t)(0x80u >> bit % 8);
		MT_CHECK(mt_network_holds(network, &address) == (bit >= network->prefix_bits));
		address.byte[bit / 8] ^= (uint8_t)(0x80u >> bit % 8);
	}
	memcpy(address.byte, data, size < 16 ? size : 16);
	MT_CHECK(mt_network_holds(network, &address) == holds_twin(network, &address));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size > 0 ? size : 1);
	struct mt_network network = {.prefix_bits = 77};
	bool is_taken;
	MT_CHECK(copy);
	if (size > 0)
		memcpy(copy, data, size);
	is_taken = mt_network_parse(mt_bytes_of(copy, size), &network);
	check_twin(copy, size, is_taken, &network);
	MT_CHECK(is_taken || network.prefix_bits == 77); /* written on success only */
	if (is_taken) {
		check_round_trip(&network);
		check_inside(&network, copy, size);
	}
	free(copy);
	return 0;
}

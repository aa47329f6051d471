/* Names and addresses in certificates, built as structures: no text that OpenSSL would parse. */
#include "tls/names.h"

#include <arpa/inet.h>

#define NAMES_MAX 64
#define DNS_BYTES_MAX 253
#define LABEL_BYTES_MAX 63

/* An address range: `bits` leading bits of `byte` count. */
struct range {
	uint8_t byte[16];
	size_t len; /* 4 or 16 */
	unsigned bits;
};

/* Where brokers of homes and sites live: loopback, RFC 1918, link-local, RFC 4193. */
static const struct range private_ranges[] = {
	{{127}, 4, 8},	     {{10}, 4, 8},
	{{172, 16}, 4, 12},  {{192, 168}, 4, 16},
	{{169, 254}, 4, 16}, {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 16, 128},
	{{0xfc}, 16, 7},     {{0xfe, 0x80}, 16, 10},
};

static bool parse_address(const char *text, struct range *out)
{
	struct range parsed = {.len = 4, .bits = 32};

	if (inet_pton(AF_INET, text, parsed.byte) != 1) {
		parsed = (struct range){.len = 16, .bits = 128};
		if (inet_pton(AF_INET6, text, parsed.byte) != 1)
			return false;
	}
	*out = parsed;
	return true;
}

static uint8_t mask_byte(unsigned bits, size_t index)
{
	unsigned before = (unsigned)index * 8;

	if (bits >= before + 8)
		return 0xff;
	return bits <= before ? 0 : (uint8_t)(0xff << (8 - (bits - before)));
}

static bool range_holds(const struct range *range, const struct range *address)
{
	if (range->len != address->len)
		return false;
	for (size_t i = 0; i < range->len; i++)
		if ((range->byte[i] ^ address->byte[i]) & mask_byte(range->bits, i))
			return false;
	return true;
}

static bool is_private(const struct range *address)
{
	for (size_t i = 0; i < MT_COUNT_OF(private_ranges); i++)
		if (range_holds(&private_ranges[i], address))
			return true;
	return false;
}

static bool is_label_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

static bool is_dns_name(const char *name)
{
	size_t label = 0;

	if (strlen(name) > DNS_BYTES_MAX)
		return false;
	if (name[0] == '*' && name[1] == '.')
		name += 2;
	for (; *name; name++) {
		if (*name == '.' ? label == 0 : !is_label_byte(*name))
			return false;
		label = *name == '.' ? 0 : label + 1;
		if (label > LABEL_BYTES_MAX)
			return false;
	}
	return label > 0;
}

enum mt_status mt_names_check(const struct mt_server_names *names)
{
	struct range unused;

	if (names->dns_count > NAMES_MAX || names->address_count > NAMES_MAX)
		return MT_INVALID;
	if (names->dns_count + names->address_count == 0)
		return MT_INVALID;
	for (size_t i = 0; i < names->dns_count; i++)
		if (!is_dns_name(names->dns[i]))
			return MT_INVALID;
	for (size_t i = 0; i < names->address_count; i++)
		if (!parse_address(names->addresses[i], &unused))
			return MT_INVALID;
	return MT_OK;
}

static bool fill(GENERAL_NAME *name, int type, ASN1_STRING *value, const void *data, size_t len)
{
	if (!value || ASN1_STRING_set(value, data, (int)len) != 1) {
		ASN1_STRING_free(value);
		return false;
	}
	GENERAL_NAME_set0_value(name, type, value);
	return true;
}

static bool fill_dns(GENERAL_NAME *name, const char *text)
{
	return fill(name, GEN_DNS, ASN1_IA5STRING_new(), text, strlen(text));
}

static bool add_name(GENERAL_NAMES *list, GENERAL_NAME *name, bool is_filled)
{
	if (is_filled && sk_GENERAL_NAME_push(list, name) > 0)
		return true;
	GENERAL_NAME_free(name);
	return false;
}

static bool add_san_dns(GENERAL_NAMES *list, const char *text)
{
	GENERAL_NAME *name = GENERAL_NAME_new();

	return add_name(list, name, name && fill_dns(name, text));
}

static bool add_san_address(GENERAL_NAMES *list, const char *text)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	struct range address;
	bool is_filled = name && parse_address(text, &address) &&
			 fill(name, GEN_IPADD, ASN1_OCTET_STRING_new(), address.byte, address.len);

	return add_name(list, name, is_filled);
}

GENERAL_NAMES *mt_names_make_san(const struct mt_server_names *names)
{
	GENERAL_NAMES *list = GENERAL_NAMES_new();
	bool is_complete = list != NULL;

	for (size_t i = 0; is_complete && i < names->dns_count; i++)
		is_complete = add_san_dns(list, names->dns[i]);
	for (size_t i = 0; is_complete && i < names->address_count; i++)
		is_complete = add_san_address(list, names->addresses[i]);
	if (is_complete)
		return list;
	GENERAL_NAMES_free(list);
	return NULL;
}

static bool add_subtree(NAME_CONSTRAINTS *constraints, GENERAL_SUBTREE *subtree, bool is_filled)
{
	if (is_filled && sk_GENERAL_SUBTREE_push(constraints->permittedSubtrees, subtree) > 0)
		return true;
	GENERAL_SUBTREE_free(subtree);
	return false;
}

static bool permit_dns(NAME_CONSTRAINTS *constraints, const char *text)
{
	GENERAL_SUBTREE *subtree = GENERAL_SUBTREE_new();

	return add_subtree(constraints, subtree, subtree && fill_dns(subtree->base, text));
}

/* RFC 5280 4.2.1.10: address, then mask. */
static bool permit_range(NAME_CONSTRAINTS *constraints, const struct range *range)
{
	GENERAL_SUBTREE *subtree = GENERAL_SUBTREE_new();
	uint8_t content[32];

	memcpy(content, range->byte, range->len);
	for (size_t i = 0; i < range->len; i++)
		content[range->len + i] = mask_byte(range->bits, i);
	return add_subtree(constraints, subtree,
			   subtree && fill(subtree->base, GEN_IPADD, ASN1_OCTET_STRING_new(),
					   content, 2 * range->len));
}

/* "co.uk" and its like belong to nobody: at most 3 letters, a dot, 2 letters. */
static bool is_shared_suffix(const char *domain)
{
	const char *dot = strchr(domain, '.');

	return !dot || (strlen(dot + 1) == 2 && dot - domain <= 3);
}

/* The name and its domain, for siblings to come; never a whole top-level domain. */
static bool permit_name(NAME_CONSTRAINTS *constraints, const char *name)
{
	const char *domain;

	if (name[0] == '*')
		name += 2;
	domain = strchr(name, '.');
	if (!permit_dns(constraints, name))
		return false;
	return !domain || is_shared_suffix(domain + 1) || permit_dns(constraints, domain + 1);
}

static bool permit_private(NAME_CONSTRAINTS *constraints)
{
	/* RFC 5280: "local" stands for every name below it, too. */
	bool is_complete = permit_dns(constraints, "localhost") && permit_dns(constraints, "local");

	for (size_t i = 0; is_complete && i < MT_COUNT_OF(private_ranges); i++)
		is_complete = permit_range(constraints, &private_ranges[i]);
	return is_complete;
}

static bool permit_address(NAME_CONSTRAINTS *constraints, const char *text)
{
	struct range address;

	return parse_address(text, &address) &&
	       (is_private(&address) || permit_range(constraints, &address));
}

NAME_CONSTRAINTS *mt_names_make_constraints(const struct mt_server_names *names)
{
	NAME_CONSTRAINTS *constraints = NAME_CONSTRAINTS_new();
	bool is_complete = constraints != NULL;

	if (is_complete)
		constraints->permittedSubtrees = sk_GENERAL_SUBTREE_new_null();
	is_complete = is_complete && constraints->permittedSubtrees && permit_private(constraints);
	for (size_t i = 0; is_complete && i < names->dns_count; i++)
		is_complete = permit_name(constraints, names->dns[i]);
	for (size_t i = 0; is_complete && i < names->address_count; i++)
		is_complete = permit_address(constraints, names->addresses[i]);
	if (is_complete)
		return constraints;
	NAME_CONSTRAINTS_free(constraints);
	return NULL;
}

/*
 * What a server accepts: versions one by one, suites by elimination, groups one by one.
 *
 *   offer all -> it chooses A -> offer all but A -> it chooses B -> ... -> it refuses
 */
#include "tls/probe_parts.h"

#include <openssl/evp.h>
#include <stdio.h>

#define LIST_BYTES 4096u

static const char *const version_names[MT_PROBE_VERSIONS] = {
	[MT_PROBE_SSL_30] = "SSL 3.0", [MT_PROBE_TLS_10] = "TLS 1.0", [MT_PROBE_TLS_11] = "TLS 1.1",
	[MT_PROBE_TLS_12] = "TLS 1.2", [MT_PROBE_TLS_13] = "TLS 1.3",
};
static const char *const group_names[MT_PROBE_GROUPS] = {
	[MT_PROBE_X25519] = "X25519", [MT_PROBE_P256] = "P-256",	  [MT_PROBE_P384] = "P-384",
	[MT_PROBE_X448] = "X448",     [MT_PROBE_FFDHE2048] = "ffdhe2048",
};
static const int group_ids[MT_PROBE_GROUPS] = {
	[MT_PROBE_X25519] = EVP_PKEY_X25519,  [MT_PROBE_P256] = NID_X9_62_prime256v1,
	[MT_PROBE_P384] = NID_secp384r1,      [MT_PROBE_X448] = EVP_PKEY_X448,
	[MT_PROBE_FFDHE2048] = NID_ffdhe2048,
};

const char *mt_probe_version_name(enum mt_probe_version version)
{
	MT_CHECK(version < MT_PROBE_VERSIONS);
	return version_names[version];
}

const char *mt_probe_group_name(enum mt_probe_group group)
{
	MT_CHECK(group < MT_PROBE_GROUPS);
	return group_names[group];
}

void mt_probe_versions(struct mt_probe *probe)
{
	for (int i = MT_PROBE_TLS_13; i >= MT_PROBE_TLS_10; i--) {
		struct mt_probe_how how = mt_probe_anything;
		struct mt_probe_link link;
		how.least = how.most = TLS1_VERSION + i - MT_PROBE_TLS_10;
		mt_probe_link_try(probe, &how, &link);
		probe->facts->versions[i] = mt_probe_link_answer(&link, how.most);
		mt_probe_link_free(&link);
	}
	mt_probe_old_version(probe);
}

static bool is_forward_secret(const SSL_CIPHER *cipher)
{
	int exchange = SSL_CIPHER_get_kx_nid(cipher);
	return exchange == NID_kx_ecdhe || exchange == NID_kx_dhe || exchange == NID_kx_any;
}

static uint16_t dh_bits_of(SSL *ssl)
{
	EVP_PKEY *key = NULL;
	uint16_t bits = 0;
	if (SSL_get_peer_tmp_key(ssl, &key) == 1 && EVP_PKEY_get_base_id(key) == EVP_PKEY_DH)
		bits = (uint16_t)EVP_PKEY_get_bits(key);
	EVP_PKEY_free(key);
	return bits;
}

static bool is_listed(const struct mt_probe_suites *suites, uint16_t id)
{
	for (uint32_t i = 0; i < suites->count; i++)
		if (suites->items[i].id == id)
			return true;
	return false;
}

static const SSL_CIPHER *chosen(const struct mt_probe_link *link)
{
	const uint8_t id[2] = {(uint8_t)(link->hello.suite >> 8), (uint8_t)link->hello.suite};
	return link->has_hello ? SSL_CIPHER_find(link->ssl, id) : NULL;
}

/* False when there was no choice, or one that was not offered. */
static bool note_suite(struct mt_probe_suites *suites, const struct mt_probe_link *link)
{
	const SSL_CIPHER *cipher = chosen(link);
	struct mt_probe_suite *suite = &suites->items[suites->count];
	if (!cipher || is_listed(suites, link->hello.suite))
		return false;
	*suite = (struct mt_probe_suite){
		.id = link->hello.suite,
		.dh_bits = dh_bits_of(link->ssl),
		.is_forward_secret = is_forward_secret(cipher),
		.is_aead = SSL_CIPHER_is_aead(cipher) == 1,
		.is_broken = SSL_CIPHER_get_cipher_nid(cipher) == NID_undef ||
			     SSL_CIPHER_get_auth_nid(cipher) == NID_auth_null,
	};
	mt_bytes_cut(suite->name, sizeof(suite->name), mt_bytes_str(SSL_CIPHER_get_name(cipher)));
	suites->count++;
	return true;
}

/* ":!A:!B" behind all suites. */
static void list_without(const struct mt_probe_suites *suites, char *list)
{
	struct mt_buf out = mt_buf_of(list, LIST_BYTES - 1);
	mt_buf_put(&out, mt_bytes_str(MT_PROBE_ALL_SUITES));
	for (uint32_t i = 0; i < suites->count; i++) {
		mt_buf_put(&out, mt_bytes_str(":!"));
		mt_buf_put(&out, mt_bytes_str(suites->items[i].name));
	}
	list[out.pos] = '\0';
}

/* Those of TLS 1.3 that are not among the suites; "" when none is left. */
static void list_left_13(const struct mt_probe_suites *suites, char *list)
{
	static const char *const names[] = {
		"TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256",
		"TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256"};
	struct mt_buf out = mt_buf_of(list, LIST_BYTES - 1);
	for (size_t i = 0; i < MT_COUNT_OF(names); i++) {
		bool is_out = false;
		for (uint32_t k = 0; k < suites->count; k++)
			is_out |= strcmp(suites->items[k].name, names[i]) == 0;
		if (is_out)
			continue;
		if (out.pos > 0)
			mt_buf_put_u8(&out, ':');
		mt_buf_put(&out, mt_bytes_str(names[i]));
	}
	list[out.pos] = '\0';
}

static void eliminate(struct mt_probe *probe, struct mt_probe_suites *suites, bool is_13)
{
	struct mt_probe_how how = mt_probe_anything;
	char list[LIST_BYTES];
	bool is_more = true;
	*(is_13 ? &how.suites_13 : &how.suites) = list;
	*(is_13 ? &how.least : &how.most) = is_13 ? TLS1_3_VERSION : TLS1_2_VERSION;
	while (is_more && suites->count < MT_PROBE_SUITES_MAX) {
		struct mt_probe_link link;
		(is_13 ? list_left_13 : list_without)(suites, list);
		if (!*list)
			break;
		mt_probe_link_try(probe, &how, &link);
		is_more = note_suite(suites, &link);
		mt_probe_link_free(&link);
	}
}

static bool is_chacha(const struct mt_probe_suite *suite)
{
	return strstr(suite->name, "CHACHA") != NULL;
}

/* The accepted ones from the last to the first. ChaCha is not at its head where that can be:
 * servers may follow who puts it there, whatever they prefer. */
static void list_reversed(const struct mt_probe_suites *suites, char *list)
{
	struct mt_buf out = mt_buf_of(list, LIST_BYTES - 1);
	for (int is_late = 0; is_late < 2; is_late++)
		for (uint32_t i = suites->count; i-- > 0;) {
			const struct mt_probe_suite *suite = &suites->items[i];
			if ((i == 0 || is_chacha(suite)) != (is_late == 1))
				continue;
			if (out.pos > 0)
				mt_buf_put_u8(&out, ':');
			mt_buf_put(&out, mt_bytes_str(suite->name));
		}
	list[out.pos] = '\0';
}

/* Of an order that ends with its favourite, a server with a will of its own takes that. */
static void find_order(struct mt_probe *probe, struct mt_probe_suites *suites, bool is_13)
{
	struct mt_probe_how how = mt_probe_anything;
	char list[LIST_BYTES];
	struct mt_probe_link link;
	const SSL_CIPHER *cipher;
	if (suites->count < 2)
		return;
	list_reversed(suites, list);
	*(is_13 ? &how.suites_13 : &how.suites) = list;
	*(is_13 ? &how.least : &how.most) = is_13 ? TLS1_3_VERSION : TLS1_2_VERSION;
	mt_probe_link_try(probe, &how, &link);
	cipher = chosen(&link);
	if (cipher && link.hello.suite == suites->items[0].id)
		suites->order = MT_PROBE_ORDER_SERVER;
	else if (cipher && !strstr(SSL_CIPHER_get_name(cipher), "CHACHA"))
		suites->order = MT_PROBE_ORDER_CLIENT;
	mt_probe_link_free(&link);
}

/* Whoever does not take our hello with suites that it knows says nothing by refusing others. */
static void try_by_hand(struct mt_probe *probe)
{
	mt_probe_compression(probe);
	if (probe->facts->compresses == MT_PROBE_UNKNOWN && probe->facts->suites_12.count > 0)
		return;
	mt_probe_old_suites(probe);
	mt_probe_psk(probe);
}

void mt_probe_suites_of(struct mt_probe *probe)
{
	struct mt_probe_facts *facts = probe->facts;
	if (facts->versions[MT_PROBE_TLS_13] == MT_PROBE_YES) {
		eliminate(probe, &facts->suites_13, true);
		find_order(probe, &facts->suites_13, true);
	}
	if (facts->versions[MT_PROBE_TLS_12] == MT_PROBE_YES ||
	    facts->versions[MT_PROBE_TLS_11] == MT_PROBE_YES ||
	    facts->versions[MT_PROBE_TLS_10] == MT_PROBE_YES) {
		eliminate(probe, &facts->suites_12, false);
		find_order(probe, &facts->suites_12, false);
	}
	try_by_hand(probe);
}

/* MT_PROBE_GROUPS: another one, or none. */
static enum mt_probe_group group_of(SSL *ssl)
{
	EVP_PKEY *key = NULL;
	char name[32] = "";
	int id = NID_undef;
	enum mt_probe_group group = MT_PROBE_X25519;
	if (SSL_get_peer_tmp_key(ssl, &key) == 1) {
		id = EVP_PKEY_get_base_id(key);
		if ((id == EVP_PKEY_EC || id == EVP_PKEY_DH) &&
		    EVP_PKEY_get_group_name(key, name, sizeof(name), NULL) == 1)
			id = OBJ_sn2nid(name);
	}
	EVP_PKEY_free(key);
	while (group < MT_PROBE_GROUPS && group_ids[group] != id)
		group++;
	return group;
}

/* Before TLS 1.3 the groups are those of the certificate's key, too: its own comes last. */
static void list_group(const struct mt_probe *probe, enum mt_probe_group group, char *list,
		       size_t cap)
{
	const struct mt_probe_certificate *leaf = &probe->facts->chain[0];
	const char *curve = strncmp(leaf->key, "EC ", 3) == 0 ? leaf->key + 3 : "";
	if (!*curve || strcmp(curve, group_names[group]) == 0)
		curve = NULL;
	snprintf(list, cap, "%s%s%s", group_names[group], curve ? ":" : "", curve ? curve : "");
}

static void try_group(struct mt_probe *probe, struct mt_probe_how how, enum mt_probe_group group)
{
	struct mt_probe_link link;
	char list[64];
	enum mt_probe_answer answer;
	bool is_13 = how.most == TLS1_3_VERSION, is_alone;
	snprintf(list, sizeof(list), "%s", group_names[group]);
	if (!is_13)
		list_group(probe, group, list, sizeof(list));
	is_alone = !strchr(list, ':');
	how.groups = list;
	mt_probe_link_try(probe, &how, &link);
	answer = mt_probe_link_answer(&link, how.most);
	/* It took the certificate's: that says nothing of the other one. */
	if (answer == MT_PROBE_YES && !is_alone && group_of(link.ssl) != group)
		answer = MT_PROBE_UNKNOWN;
	probe->facts->groups[group] = answer;
	mt_probe_link_free(&link);
}

static enum mt_probe_group try_order(struct mt_probe *probe, struct mt_probe_how how,
				     const char *groups)
{
	struct mt_probe_link link;
	enum mt_probe_group group = MT_PROBE_GROUPS;
	how.groups = groups;
	mt_probe_link_try(probe, &how, &link);
	if (mt_probe_link_answer(&link, how.most) == MT_PROBE_YES)
		group = group_of(link.ssl);
	mt_probe_link_free(&link);
	return group;
}

/* The accepted ones from the last to the first; how many. */
static unsigned list_groups_reversed(const struct mt_probe_facts *facts, char *list, size_t cap)
{
	struct mt_buf out = mt_buf_of(list, cap - 1);
	unsigned count = 0;
	for (int i = MT_PROBE_GROUPS - 1; i >= 0; i--) {
		if (facts->groups[i] != MT_PROBE_YES)
			continue;
		if (count++ > 0)
			mt_buf_put_u8(&out, ':');
		mt_buf_put(&out, mt_bytes_str(group_names[i]));
	}
	list[out.pos] = '\0';
	return count;
}

static void find_group_order(struct mt_probe *probe, struct mt_probe_how how)
{
	struct mt_probe_facts *facts = probe->facts;
	char list[64];
	enum mt_probe_group other;
	facts->group = try_order(probe, how, "X25519:P-256:P-384:X448:ffdhe2048");
	if (list_groups_reversed(facts, list, sizeof(list)) < 2 || facts->group == MT_PROBE_GROUPS)
		return;
	other = try_order(probe, how, list);
	if (other != MT_PROBE_GROUPS)
		facts->group_order =
			other == facts->group ? MT_PROBE_ORDER_SERVER : MT_PROBE_ORDER_CLIENT;
}

void mt_probe_groups_of(struct mt_probe *probe)
{
	struct mt_probe_facts *facts = probe->facts;
	bool is_13 = facts->versions[MT_PROBE_TLS_13] == MT_PROBE_YES;
	struct mt_probe_how how = mt_probe_anything;
	facts->group = MT_PROBE_GROUPS;
	if (!is_13 && facts->versions[MT_PROBE_TLS_12] != MT_PROBE_YES)
		return;
	how.least = how.most = is_13 ? TLS1_3_VERSION : TLS1_2_VERSION;
	how.suites = is_13 ? MT_PROBE_ALL_SUITES : "kECDHE";
	for (enum mt_probe_group group = 0; group < MT_PROBE_GROUPS; group++)
		if (is_13 ||
		    group != MT_PROBE_FFDHE2048) /* which TLS 1.2 does not negotiate here */
			try_group(probe, how, group);
	find_group_order(probe, how);
}

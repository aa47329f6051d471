/* What proves a user besides a password: names in certificates, keys, certificates of our own; and
 * when that ended. */
#include "store/state_internal.h"

/* ---- names in certificates ---- */

enum mt_status mt_state_certificate_name_add(struct mt_state *state, uint64_t user_id,
					     const char *name, struct mt_bytes issuer)
{
	struct mt_query query;
	mt_query_start(&query, state,
		       "INSERT INTO certificate_names (user_id, name, issuer) VALUES (?, ?, ?)");
	mt_query_number(&query, (int64_t)user_id);
	mt_query_text(&query, name);
	mt_query_blob(&query, issuer);
	return mt_query_change(&query, "the certificate was not enabled");
}

enum mt_status mt_state_certificate_name_remove(struct mt_state *state, uint64_t user_id,
						const char *name)
{
	struct mt_query query;
	mt_query_start(&query, state,
		       "DELETE FROM certificate_names WHERE user_id = ? AND name = ?");
	mt_query_number(&query, (int64_t)user_id);
	mt_query_text(&query, name);
	return mt_query_change(&query, "the user has no certificate of this name");
}

enum mt_status mt_state_certificate_names(struct mt_state *state,
					  mt_state_certificate_name_fn *visit, void *context)
{
	struct mt_query query;
	mt_query_start(&query, state,
		       "SELECT user_id, name, issuer FROM certificate_names ORDER BY name");
	while (mt_query_row(&query)) {
		struct mt_state_certificate_name row = {
			.user_id = (uint64_t)mt_query_row_number(&query, 0),
			.name = mt_query_row_text(&query, 1),
			.issuer = mt_query_row_blob(&query, 2)};
		if (!mt_query_is_good(&query) || !visit(context, &row))
			break;
	}
	return mt_query_finish(&query);
}

/* ---- pre-shared keys ---- */

enum mt_status mt_state_psk_set(struct mt_state *state, uint64_t user_id, struct mt_bytes key)
{
	struct mt_query query;
	mt_query_start(&query, state,
		       "INSERT INTO psks (user_id, key) VALUES (?, ?)"
		       " ON CONFLICT (user_id) DO UPDATE SET key = excluded.key");
	mt_query_number(&query, (int64_t)user_id);
	mt_query_blob(&query, key);
	return mt_query_change(&query, "the key was not set");
}

enum mt_status mt_state_psk_remove(struct mt_state *state, uint64_t user_id)
{
	struct mt_query query;
	mt_query_start(&query, state, "DELETE FROM psks WHERE user_id = ?");
	mt_query_number(&query, (int64_t)user_id);
	return mt_query_change(&query, "the user has no pre-shared key");
}

enum mt_status mt_state_psks(struct mt_state *state, mt_state_psk_fn *visit, void *context)
{
	struct mt_query query;
	mt_query_start(&query, state,
		       "SELECT u.id, u.name, u.is_enabled, p.key FROM psks p JOIN users u"
		       " ON u.id = p.user_id ORDER BY u.name");
	while (mt_query_row(&query)) {
		struct mt_state_psk row = {.user_id = (uint64_t)mt_query_row_number(&query, 0),
					   .user = mt_query_row_text(&query, 1),
					   .is_enabled = mt_query_row_number(&query, 2) != 0,
					   .key = mt_query_row_blob(&query, 3)};
		if (!mt_query_is_good(&query) || !visit(context, &row))
			break;
	}
	return mt_query_finish(&query);
}

/* ---- SCRAM ---- */

enum mt_status mt_state_scram_set(struct mt_state *state, const struct mt_state_scram *verifier)
{
	struct mt_query query;
	mt_query_start(&query, state,
		       "INSERT INTO scram (user_id, salt, iterations, stored_key, server_key)"
		       " VALUES (?, ?, ?, ?, ?) ON CONFLICT (user_id) DO UPDATE SET"
		       " salt = excluded.salt, iterations = excluded.iterations,"
		       " stored_key = excluded.stored_key, server_key = excluded.server_key");
	mt_query_number(&query, (int64_t)verifier->user_id);
	mt_query_blob(&query, verifier->salt);
	mt_query_number(&query, verifier->iterations);
	mt_query_blob(&query, verifier->stored_key);
	mt_query_blob(&query, verifier->server_key);
	return mt_query_change(&query, "the verifier was not set");
}

enum mt_status mt_state_scram_remove(struct mt_state *state, uint64_t user_id)
{
	struct mt_query query;
	mt_query_start(&query, state, "DELETE FROM scram WHERE user_id = ?");
	mt_query_number(&query, (int64_t)user_id);
	return mt_query_change(&query, "the user has no SCRAM");
}

enum mt_status mt_state_scram_has(struct mt_state *state, uint64_t user_id)
{
	struct mt_query query;
	bool has_row;
	mt_query_start(&query, state, "SELECT 1 FROM scram WHERE user_id = ?");
	mt_query_number(&query, (int64_t)user_id);
	has_row = mt_query_row(&query);
	MT_TRY(mt_query_finish(&query));
	return has_row ? MT_OK : MT_NOT_FOUND;
}

enum mt_status mt_state_scrams(struct mt_state *state, mt_state_scram_fn *visit, void *context)
{
	struct mt_query query;
	mt_query_start(&query, state,
		       "SELECT u.id, u.name, s.iterations, s.salt, s.stored_key, s.server_key"
		       " FROM scram s JOIN users u ON u.id = s.user_id ORDER BY u.name");
	while (mt_query_row(&query)) {
		struct mt_state_scram row = {.user_id = (uint64_t)mt_query_row_number(&query, 0),
					     .user = mt_query_row_text(&query, 1),
					     .iterations = (uint32_t)mt_query_row_number(&query, 2),
					     .salt = mt_query_row_blob(&query, 3),
					     .stored_key = mt_query_row_blob(&query, 4),
					     .server_key = mt_query_row_blob(&query, 5)};
		if (!mt_query_is_good(&query) || !visit(context, &row))
			break;
	}
	return mt_query_finish(&query);
}

/* ---- certificates of our own authority ---- */

enum mt_status mt_state_certificate_add(struct mt_state *state,
					const struct mt_state_certificate *certificate)
{
	struct mt_query query;
	mt_query_start(&query, state,
		       "INSERT INTO certificates (serial, user_id, user, fingerprint, issued_s,"
		       " not_after_s, revoked_s) VALUES (?, ?, ?, ?, ?, ?, 0)");
	mt_query_text(&query, certificate->serial);
	mt_query_number(&query, (int64_t)certificate->user_id);
	mt_query_text(&query, certificate->user);
	mt_query_blob(&query, certificate->fingerprint);
	mt_query_number(&query, certificate->issued_s);
	mt_query_number(&query, certificate->not_after_s);
	return mt_query_change(&query, "the certificate was not noted");
}

enum mt_status mt_state_certificate_revoke(struct mt_state *state, const char *serial,
					   int64_t now_s)
{
	struct mt_query query;
	mt_query_start(&query, state,
		       "UPDATE certificates SET revoked_s = ? WHERE serial = ? AND revoked_s = 0");
	mt_query_number(&query, now_s);
	mt_query_text(&query, serial);
	return mt_query_change(&query, "there is no such certificate, or it was revoked before");
}

enum mt_status mt_state_certificates_revoke(struct mt_state *state, uint64_t user_id, int64_t now_s)
{
	struct mt_query query;
	enum mt_status status;
	mt_query_start(&query, state,
		       "UPDATE certificates SET revoked_s = ? WHERE user_id = ? AND revoked_s = 0");
	mt_query_number(&query, now_s);
	mt_query_number(&query, (int64_t)user_id);
	status = mt_query_change(&query, "the user has no certificate");
	return status == MT_NOT_FOUND ? MT_OK : status;
}

enum mt_status mt_state_certificates(struct mt_state *state, mt_state_certificate_fn *visit,
				     void *context)
{
	struct mt_query query;
	mt_query_start(&query, state,
		       "SELECT serial, user_id, user, fingerprint, issued_s, not_after_s, revoked_s"
		       " FROM certificates ORDER BY user, issued_s, serial");
	while (mt_query_row(&query)) {
		struct mt_state_certificate row = {.serial = mt_query_row_text(&query, 0),
						   .user_id =
							   (uint64_t)mt_query_row_number(&query, 1),
						   .user = mt_query_row_text(&query, 2),
						   .fingerprint = mt_query_row_blob(&query, 3),
						   .issued_s = mt_query_row_number(&query, 4),
						   .not_after_s = mt_query_row_number(&query, 5),
						   .revoked_s = mt_query_row_number(&query, 6)};
		if (!mt_query_is_good(&query) || !visit(context, &row))
			break;
	}
	return mt_query_finish(&query);
}

/* ---- ends ---- */

enum mt_status mt_state_user_end(struct mt_state *state, uint64_t user_id, int64_t not_before_s)
{
	struct mt_query query;
	mt_query_start(&query, state,
		       "INSERT INTO user_ends (user_id, not_before_s) VALUES (?, ?)"
		       " ON CONFLICT (user_id) DO UPDATE SET not_before_s ="
		       " max(not_before_s, excluded.not_before_s)");
	mt_query_number(&query, (int64_t)user_id);
	mt_query_number(&query, not_before_s);
	return mt_query_change(&query, "there is no such user");
}

enum mt_status mt_state_user_ends(struct mt_state *state, mt_state_user_end_fn *visit,
				  void *context)
{
	struct mt_query query;
	mt_query_start(&query, state, "SELECT user_id, not_before_s FROM user_ends");
	while (mt_query_row(&query))
		if (!visit(context, (uint64_t)mt_query_row_number(&query, 0),
			   mt_query_row_number(&query, 1)))
			break;
	return mt_query_finish(&query);
}

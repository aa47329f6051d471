/* Issuers of JSON Web Tokens, and whom their subjects stand for. */
#include "store/state_internal.h"

static enum mt_status read_count(struct mt_state *state, const char *sql, const char *text,
				 int64_t *out)
{
	struct mt_query query;
	mt_query_start(&query, state, sql);
	if (text)
		mt_query_text(&query, text);
	if (mt_query_row(&query))
		*out = mt_query_row_number(&query, 0);
	return mt_query_finish(&query);
}

enum mt_status mt_state_issuer_add(struct mt_state *state, const struct mt_state_issuer *issuer)
{
	struct mt_query query;
	int64_t count = 0, same = 0;
	MT_TRY(read_count(state, "SELECT count(*) FROM issuers", NULL, &count));
	MT_TRY(read_count(state, "SELECT count(*) FROM issuers WHERE claim_issuer = ?",
			  issuer->issuer, &same));
	if (count >= (int64_t)MT_STATE_ISSUERS_MAX)
		return mt_state_refuse(state, MT_LIMIT,
				       "there are as many issuers as there may be");
	if (same > 0)
		return mt_state_refuse(state, MT_EXISTS,
				       "an issuer of this `iss` is there already");
	mt_query_start(&query, state,
		       "INSERT INTO issuers (name, algorithm, key, claim_issuer, claim_audience,"
		       " claim_subject, leeway_s) VALUES (?, ?, ?, ?, ?, ?, ?)");
	mt_query_text(&query, issuer->name);
	mt_query_text(&query, issuer->algorithms);
	mt_query_blob(&query, issuer->key);
	mt_query_text(&query, issuer->issuer);
	mt_query_text(&query, issuer->audience);
	mt_query_text(&query, issuer->claim);
	mt_query_number(&query, issuer->leeway_s);
	return mt_query_change(&query, "the issuer was not added");
}

enum mt_status mt_state_issuer_key(struct mt_state *state, const char *name, struct mt_bytes key)
{
	struct mt_query query;
	mt_query_start(&query, state, "UPDATE issuers SET key = ? WHERE name = ?");
	mt_query_blob(&query, key);
	mt_query_text(&query, name);
	return mt_query_change(&query, "there is no such issuer");
}

enum mt_status mt_state_issuer_remove(struct mt_state *state, const char *name)
{
	struct mt_query query;
	mt_query_start(&query, state, "DELETE FROM issuers WHERE name = ?");
	mt_query_text(&query, name);
	return mt_query_change(&query, "there is no such issuer");
}

enum mt_status mt_state_issuers(struct mt_state *state, mt_state_issuer_fn *visit, void *context)
{
	struct mt_query query;
	mt_query_start(&query, state,
		       "SELECT name, algorithm, key, claim_issuer, claim_audience, claim_subject,"
		       " leeway_s FROM issuers ORDER BY name");
	while (mt_query_row(&query)) {
		struct mt_state_issuer row = {.name = mt_query_row_text(&query, 0),
					      .algorithms = mt_query_row_text(&query, 1),
					      .key = mt_query_row_blob(&query, 2),
					      .issuer = mt_query_row_text(&query, 3),
					      .audience = mt_query_row_text(&query, 4),
					      .claim = mt_query_row_text(&query, 5),
					      .leeway_s = (uint32_t)mt_query_row_number(&query, 6)};
		if (!mt_query_is_good(&query) || !visit(context, &row))
			break;
	}
	return mt_query_finish(&query);
}

enum mt_status mt_state_subject_add(struct mt_state *state, uint64_t user_id, const char *issuer,
				    const char *subject)
{
	struct mt_query query;
	int64_t count = 0;
	MT_TRY(read_count(state, "SELECT count(*) FROM issuers WHERE name = ?", issuer, &count));
	if (count == 0)
		return mt_state_refuse(state, MT_NOT_FOUND, "there is no such issuer");
	mt_query_start(&query, state,
		       "INSERT INTO subjects (issuer, subject, user_id) VALUES (?, ?, ?)");
	mt_query_text(&query, issuer);
	mt_query_text(&query, subject);
	mt_query_number(&query, (int64_t)user_id);
	return mt_query_change(&query, "the subject was not added");
}

enum mt_status mt_state_subject_remove(struct mt_state *state, uint64_t user_id, const char *issuer,
				       const char *subject)
{
	struct mt_query query;
	mt_query_start(&query, state,
		       subject ? "DELETE FROM subjects WHERE user_id = ? AND issuer = ? AND"
				 " subject = ?"
			       : "DELETE FROM subjects WHERE user_id = ? AND issuer = ?");
	mt_query_number(&query, (int64_t)user_id);
	mt_query_text(&query, issuer);
	if (subject)
		mt_query_text(&query, subject);
	return mt_query_change(&query, "no such subject of the issuer stands for the user");
}

enum mt_status mt_state_subject_has(struct mt_state *state, uint64_t user_id)
{
	struct mt_query query;
	bool has_row;
	mt_query_start(&query, state, "SELECT 1 FROM subjects WHERE user_id = ?");
	mt_query_number(&query, (int64_t)user_id);
	has_row = mt_query_row(&query);
	MT_TRY(mt_query_finish(&query));
	return has_row ? MT_OK : MT_NOT_FOUND;
}

enum mt_status mt_state_subjects(struct mt_state *state, mt_state_subject_fn *visit, void *context)
{
	struct mt_query query;
	mt_query_start(&query, state,
		       "SELECT s.issuer, s.subject, s.user_id, u.name FROM subjects s JOIN users u"
		       " ON u.id = s.user_id ORDER BY s.issuer, s.subject");
	while (mt_query_row(&query)) {
		struct mt_state_subject row = {.issuer = mt_query_row_text(&query, 0),
					       .subject = mt_query_row_text(&query, 1),
					       .user_id = (uint64_t)mt_query_row_number(&query, 2),
					       .user = mt_query_row_text(&query, 3)};
		if (!mt_query_is_good(&query) || !visit(context, &row))
			break;
	}
	return mt_query_finish(&query);
}

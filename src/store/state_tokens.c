/* Tokens of the admin API: by which name and role somebody administers over the network. */
#include "store/state_internal.h"

static enum mt_status check_room(struct mt_state *state)
{
	struct mt_query query;
	int64_t count = 0;
	mt_query_start(&query, state, "SELECT count(*) FROM api_tokens");
	if (mt_query_row(&query))
		count = mt_query_row_number(&query, 0);
	MT_TRY(mt_query_finish(&query));
	if (count >= (int64_t)MT_STATE_API_TOKENS_MAX)
		return mt_state_refuse(state, MT_LIMIT,
				       "there are as many tokens as there may be; revoke one");
	return MT_OK;
}

enum mt_status mt_state_api_token_add(struct mt_state *state,
				      const struct mt_state_api_token *token)
{
	struct mt_query query;
	MT_TRY(check_room(state));
	mt_query_start(&query, state,
		       "INSERT INTO api_tokens (name, hash, role, created_s, expires_s, author)"
		       " VALUES (?, ?, ?, ?, ?, ?)");
	mt_query_text(&query, token->name);
	mt_query_blob(&query, token->hash);
	mt_query_number(&query, token->role);
	mt_query_number(&query, token->created_s);
	mt_query_number(&query, token->expires_s);
	mt_query_text(&query, token->author);
	return mt_query_change(&query, "the token was not added");
}

enum mt_status mt_state_api_token_remove(struct mt_state *state, const char *name)
{
	struct mt_query query;
	mt_query_start(&query, state, "DELETE FROM api_tokens WHERE name = ?");
	mt_query_text(&query, name);
	return mt_query_change(&query, "there is no such token");
}

enum mt_status mt_state_api_tokens(struct mt_state *state, mt_state_api_token_fn *visit,
				   void *context)
{
	struct mt_query query;
	mt_query_start(&query, state,
		       "SELECT name, hash, role, created_s, expires_s, author FROM api_tokens"
		       " ORDER BY name");
	while (mt_query_row(&query)) {
		struct mt_state_api_token row = {.name = mt_query_row_text(&query, 0),
						 .hash = mt_query_row_blob(&query, 1),
						 .role = (uint8_t)mt_query_row_number(&query, 2),
						 .created_s = mt_query_row_number(&query, 3),
						 .expires_s = mt_query_row_number(&query, 4),
						 .author = mt_query_row_text(&query, 5)};
		if (!mt_query_is_good(&query) || !visit(context, &row))
			break;
	}
	return mt_query_finish(&query);
}

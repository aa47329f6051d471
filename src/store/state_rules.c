/* The permission rules of roles. */
#include "store/state_internal.h"

enum mt_status mt_state_rule_add(struct mt_state *state, const char *role,
				 const struct mt_state_rule *rule, uint32_t *id)
{
	struct mt_query query;
	mt_query_start(&query, state,
		       "INSERT INTO rules (role, is_deny, operation, qos_mask, retain, until_s, "
		       "filter, share, network, since_s, listener)"
		       " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
	mt_query_text(&query, role);
	mt_query_number(&query, rule->is_deny);
	mt_query_number(&query, rule->operation);
	mt_query_number(&query, rule->qos_mask);
	mt_query_number(&query, rule->retain);
	mt_query_number(&query, rule->until_s);
	mt_query_text(&query, rule->filter);
	mt_query_text(&query, rule->share);
	mt_query_text(&query, rule->network);
	mt_query_number(&query, rule->since_s);
	mt_query_text(&query, rule->listener);
	MT_TRY(mt_query_change(&query, "the rule was not added"));
	*id = (uint32_t)sqlite3_last_insert_rowid(state->db);
	return MT_OK;
}

enum mt_status mt_state_rule_remove(struct mt_state *state, const char *role, uint32_t id)
{
	struct mt_query query;
	mt_query_start(&query, state, "DELETE FROM rules WHERE role = ? AND id = ?");
	mt_query_text(&query, role);
	mt_query_number(&query, id);
	return mt_query_change(&query, "this role has no such rule");
}

enum mt_status mt_state_rules(struct mt_state *state, const char *role, mt_state_rule_fn *visit,
			      void *context)
{
	struct mt_query query;
	mt_query_start(
		&query, state,
		"SELECT id, is_deny, operation, qos_mask, retain, until_s, filter, share, network,"
		" since_s, listener FROM rules WHERE role = ? ORDER BY id");
	mt_query_text(&query, role);
	while (mt_query_row(&query)) {
		struct mt_state_rule rule = {
			.id = (uint32_t)mt_query_row_number(&query, 0),
			.is_deny = mt_query_row_number(&query, 1) != 0,
			.operation = (uint8_t)mt_query_row_number(&query, 2),
			.qos_mask = (uint8_t)mt_query_row_number(&query, 3),
			.retain = (uint8_t)mt_query_row_number(&query, 4),
			.until_s = mt_query_row_number(&query, 5),
			.filter = mt_query_row_text(&query, 6),
			.share = mt_query_row_text(&query, 7),
			.network = mt_query_row_text(&query, 8),
			.since_s = mt_query_row_number(&query, 9),
			.listener = mt_query_row_text(&query, 10),
		};
		if (!mt_query_is_good(&query) || !visit(context, &rule))
			break;
	}
	return mt_query_finish(&query);
}

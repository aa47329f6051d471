/* A policy of one role, `r`, and at most one user, who holds it. Shared by the fuzz targets of
 * cores.
 */
#pragma once

#include "policy/policy.h"

/* user NULL: nobody has a name. */
static inline struct mt_policy *one_role(const struct mt_rule *rules, size_t count,
					 const struct mt_user *user)
{
	struct mt_policy_builder *builder = mt_policy_builder_create(1, (struct mt_seed){{3, 4}});
	struct mt_bytes name = mt_bytes_str("r");
	struct mt_policy *policy;
	uint32_t role;
	MT_CHECK(builder && mt_policy_builder_role(builder, name, &role) == MT_OK);
	for (size_t i = 0; i < count; i++)
		MT_CHECK(mt_policy_builder_rule(builder, role, &rules[i]) == MT_OK);
	if (user)
		MT_CHECK(mt_policy_builder_user(builder, user, &name, 1) == MT_OK);
	MT_CHECK(mt_policy_build(&builder, &policy) == MT_OK);
	return policy;
}

/* Names and sets of the ways to prove who one is. */
#include "identity/mechanism.h"

#include "base/check.h"

#include <string.h>

static const char *const names[] = {"none",
#define X(id, name, meaning) name,
				    MT_TABLE_MECHANISMS(X)
#undef X
};

static const char *const unaccepted[] = {"the listener accepts no such credentials",
#define X(id, name, meaning) "the listener does not accept: " name,
					 MT_TABLE_MECHANISMS(X)
#undef X
};

static const char *const refusals[] = {
#define X(id, what) what,
	MT_TABLE_LOGIN_REFUSALS(X)
#undef X
};

const char *mt_mechanism_name(enum mt_mechanism mechanism)
{
	MT_CHECK(mechanism < MT_MECHANISM_COUNT);
	return names[mechanism];
}

mt_mechanisms mt_mechanism_bit(enum mt_mechanism mechanism)
{
	MT_CHECK(mechanism < MT_MECHANISM_COUNT);
	return (mt_mechanisms)1 << mechanism;
}

bool mt_mechanism_is_of(enum mt_mechanism mechanism, mt_mechanisms set)
{
	return set == 0 || (set & mt_mechanism_bit(mechanism)) != 0;
}

static mt_mechanisms bit_of(const char *word, size_t len)
{
	for (unsigned i = 1; i < MT_MECHANISM_COUNT; i++)
		if (strlen(names[i]) == len && memcmp(names[i], word, len) == 0)
			return mt_mechanism_bit((enum mt_mechanism)i);
	return 0;
}

mt_mechanisms mt_mechanism_read(const char *list)
{
	mt_mechanisms set = 0;
	while (*list != '\0') {
		size_t len = strcspn(list, ",");
		set |= bit_of(list, len);
		list += len + (list[len] == ',');
	}
	return set;
}

const char *mt_mechanism_unaccepted(enum mt_mechanism mechanism)
{
	MT_CHECK(mechanism < MT_MECHANISM_COUNT);
	return unaccepted[mechanism];
}

const char *mt_refusal_text(enum mt_refusal refusal)
{
	MT_CHECK(refusal < MT_REFUSAL_COUNT);
	return refusals[refusal];
}

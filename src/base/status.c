/* The texts of spec/errors.tbl. */
#include "base/status.h"

static const struct row {
	const char *text;
	const char *remedy;
	int exit_code;
} rows[] = {
#define X(name, exit_code, text, remedy) {text, remedy, exit_code},
	MT_TABLE_ERRORS(X)
#undef X
};

const char *mt_status_text(enum mt_status status)
{
	MT_CHECK((size_t)status < MT_COUNT_OF(rows));
	return rows[status].text;
}

const char *mt_status_remedy(enum mt_status status)
{
	MT_CHECK((size_t)status < MT_COUNT_OF(rows));
	return rows[status].remedy;
}

int mt_status_exit(enum mt_status status)
{
	MT_CHECK((size_t)status < MT_COUNT_OF(rows));
	return rows[status].exit_code;
}

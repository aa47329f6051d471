/* Tables, objects and errors for people. */
#include "cli/print.h"

#include "cli/verbs.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 12u
#define TEXT_BYTES_MAX 4096u
#define INDENT 2

/* Bytes of the control character at `at`, 0 when it is none; C1 is two bytes in UTF-8. */
static size_t control_bytes(const unsigned char *at)
{
	if (at[0] < 0x20 || at[0] == 0x7f)
		return 1;
	return at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0 ? 2 : 0;
}

void mt_cli_print_text(FILE *out, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	while (*at) {
		size_t bytes = control_bytes(at);
		if (bytes == 0) {
			fputc(*at++, out);
			continue;
		}
		fprintf(out, "\\x%02x", at[bytes - 1]);
		at += bytes;
	}
}

/* Columns on a terminal that the text takes: characters, four for an escaped one. */
static int width_of(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	int width = 0;
	while (*at) {
		size_t bytes = control_bytes(at);
		width += bytes > 0 ? 4 : (*at & 0xc0) != 0x80;
		at += bytes > 0 ? bytes : 1;
	}
	return width;
}

static MT_FORMAT(2, 0) void report(const char *prefix, const char *format, va_list list)
{
	char text[TEXT_BYTES_MAX];
	vsnprintf(text, sizeof(text), format, list);
	fputs(prefix, stderr);
	mt_cli_print_text(stderr, text);
	fputc('\n', stderr);
}

int mt_cli_fail(int exit_code, const char *format, ...)
{
	va_list list;
	va_start(list, format);
	report("mortise: ", format, list);
	va_end(list);
	return exit_code;
}

void mt_cli_warn(const char *format, ...)
{
	va_list list;
	va_start(list, format);
	report("mortise: warning: ", format, list);
	va_end(list);
}

static const char *cell_text(const json_t *row, size_t column)
{
	const char *text = json_string_value(json_array_get(row, column));
	return text ? text : "";
}

static void print_cell(FILE *out, const char *text, int width, bool is_last)
{
	mt_cli_print_text(out, text);
	if (!is_last)
		fprintf(out, "%*s", width - width_of(text) + 2, "");
	else
		fputc('\n', out);
}

static size_t split_heads(const char *heads, char names[COLUMNS_MAX][32])
{
	size_t count = 0;
	while (*heads) {
		size_t len = strcspn(heads, " ");
		MT_CHECK(count < COLUMNS_MAX && len < 32);
		snprintf(names[count++], 32, "%.*s", (int)len, heads);
		heads += len;
		heads += strspn(heads, " ");
	}
	return count;
}

void mt_cli_print_table(FILE *out, const char *heads, const json_t *rows)
{
	char names[COLUMNS_MAX][32];
	int widths[COLUMNS_MAX];
	size_t count = split_heads(heads, names);
	size_t i;
	json_t *row;
	for (size_t column = 0; column < count; column++) {
		widths[column] = width_of(names[column]);
		json_array_foreach(rows, i, row)
		{
			int width = width_of(cell_text(row, column));
			widths[column] = width > widths[column] ? width : widths[column];
		}
	}
	for (size_t column = 0; column < count; column++)
		print_cell(out, names[column], widths[column], column + 1 == count);
	json_array_foreach(rows, i, row) for (size_t column = 0; column < count; column++)
		print_cell(out, cell_text(row, column), widths[column], column + 1 == count);
}

static void print_scalar(FILE *out, const json_t *value)
{
	if (json_is_string(value))
		mt_cli_print_text(out, json_string_value(value));
	else if (json_is_integer(value))
		fprintf(out, "%lld", (long long)json_integer_value(value));
	else
		fputs(json_is_true(value) ? "yes" : "no", out);
	fputc('\n', out);
}

static void print_members(FILE *out, const json_t *object, int indent)
{
	const char *key;
	json_t *value;
	size_t i;
	json_t *item;
	/* The macro wants a mutable object, and reads it. */
	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		fprintf(out, "%*s%s:%s", indent, "", key,
			json_is_object(value) || json_is_array(value) ? "\n" : " ");
		if (json_is_object(value))
			print_members(out, value, indent + INDENT);
		else if (!json_is_array(value))
			print_scalar(out, value);
		json_array_foreach(value, i, item)
		{
			fprintf(out, "%*s- ", indent + INDENT, "");
			print_scalar(out, item);
		}
	}
}

void mt_cli_print_object(FILE *out, const json_t *object)
{
	print_members(out, object, 0);
}

void mt_cli_print_json(FILE *out, const json_t *value)
{
	json_dumpf(value, out, JSON_INDENT(INDENT));
	fputc('\n', out);
}

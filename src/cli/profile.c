/* mortise profile: what stands in a profile, secrets left out. */
#include "cli/print.h"
#include "cli/verbs.h"
#include "shell/profile.h"

#include <string.h>

/* Where a secret is, or that there is none. */
static json_t *place_of(bool is_there, const char *file)
{
	return is_there ? json_string(file) : json_string("none");
}

/* The address as a client writes it; an IPv6 host in brackets. */
static json_t *address_of(const struct mt_profile *profile)
{
	char text[sizeof(profile->host) + 16];
	bool is_v6 = strchr(profile->host, ':') != NULL;
	snprintf(text, sizeof(text), "%s%s%s:%u", is_v6 ? "[" : "", profile->host, is_v6 ? "]" : "",
		 profile->port);
	return json_string(text);
}

static json_t *describe(const struct mt_profile *profile, const char *file)
{
	return json_pack("{s:o, s:s, s:s, s:s, s:b, s:b, s:o, s:o}", "address", address_of(profile),
			 "user", profile->user, "client_id", profile->client_id, "ca_pin",
			 profile->ca_pin, "ca", profile->ca_pem != NULL, "certificate",
			 profile->certificate_pem != NULL, "password_in",
			 place_of(profile->password[0] != '\0', file), "key_in",
			 place_of(profile->key_pem != NULL, file));
}

int mt_cli_profile_show(const struct mt_options *options)
{
	const char *file = options->operands[0];
	struct mt_profile profile;
	char fault[256] = "";
	json_t *facts;
	enum mt_status status = mt_profile_read(file, &profile, fault, sizeof(fault));
	if (status != MT_OK)
		return mt_cli_fail(status == MT_NOT_FOUND ? 2 : mt_status_exit(status), "%s: %s",
				   file, *fault ? fault : mt_status_text(status));
	facts = describe(&profile, file);
	mt_profile_finish(&profile);
	if (!facts)
		return mt_cli_fail(2, "%s: holds a text that is no UTF-8", file);
	if (mt_options_has(options, "json"))
		mt_cli_print_json(stdout, facts);
	else
		mt_cli_print_object(stdout, facts);
	json_decref(facts);
	return 0;
}

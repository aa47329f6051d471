/* The first start: everything is made once, half of something is told, and a start cut short is
 * repeated. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "crypto/password.h"
#include "shell/profile.h"
#include "shell/provision.h"
#include "tls/authority.h"

#include "folder.h"

struct place {
	const char *folder;
	char fault[512];
	struct mt_state *state;
	struct mt_settings settings;
	bool is_first;
};

static void listen_at(struct place *place, const char *name, const char *address, bool is_tls)
{
	struct mt_listener_settings *listener =
		&place->settings.listeners[place->settings.listener_count++];
	snprintf(listener->name, sizeof(listener->name), "%s", name);
	snprintf(listener->address, sizeof(listener->address), "%s", address);
	listener->is_tls = is_tls;
}

static int setup(void **context)
{
	static struct place place;
	memset(&place, 0, sizeof(place));
	place.folder = folder_make();
	snprintf(place.settings.state_path, sizeof(place.settings.state_path), "%s/state",
		 place.folder);
	*context = &place;
	return 0;
}

static int teardown(void **context)
{
	struct place *place = *context;
	mt_state_close(&place->state);
	folder_remove(place->folder);
	return 0;
}

/* A path below the state directory; static. */
static const char *at(const struct place *place, const char *name)
{
	static char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/state/%s", place->folder, name);
	return path;
}

/* A whole start: claim, open, provision. */
static enum mt_status start(struct place *place)
{
	place->fault[0] = '\0';
	MT_TRY(mt_provision_claim(place->settings.state_path, place->fault, sizeof(place->fault)));
	mt_state_close(&place->state);
	MT_TRY(mt_state_open(at(place, "mortise.db"), true, &place->state, place->fault,
			     sizeof(place->fault)));
	return mt_provision(&place->settings, place->state, &place->is_first, place->fault,
			    sizeof(place->fault));
}

static void assert_mode(const struct place *place, const char *name, mode_t mode)
{
	struct stat facts;
	assert_int_equal(stat(at(place, name), &facts), 0);
	assert_int_equal(facts.st_mode & 07777, mode);
}

static struct mt_profile admin_profile(struct place *place)
{
	struct mt_profile profile;
	assert_int_equal(mt_profile_read(at(place, "profiles/admin.mortise"), &profile,
					 place->fault, sizeof(place->fault)),
			 MT_OK);
	return profile;
}

static bool take_hash(void *context, const struct mt_state_user *user)
{
	assert_true(user->is_enabled);
	snprintf(context, MT_PASSWORD_HASH_BYTES, "%s", user->password_hash);
	return true;
}

/* The administrator of the database has the password of the profile. */
static void assert_admin(struct place *place)
{
	char hash[MT_PASSWORD_HASH_BYTES] = "";
	struct mt_profile profile = admin_profile(place);
	assert_string_equal(profile.user, "admin");
	assert_int_equal(mt_state_user_find(place->state, "admin", take_hash, hash), MT_OK);
	assert_int_equal(mt_password_verify(mt_bytes_str(profile.password), mt_bytes_str(hash)),
			 MT_OK);
	mt_profile_finish(&profile);
}

static bool join_names(void *context, const char *name)
{
	strcat(context, name);
	return true;
}

static bool join_roles(void *context, const struct mt_state_user *user)
{
	struct place *place = context;
	place->fault[0] = '\0';
	assert_int_equal(mt_state_user_roles(place->state, user->id, join_names, place->fault),
			 MT_OK);
	return true;
}

static void first_start_makes_everything(void **context)
{
	struct place *place = *context;
	struct mt_profile profile;
	struct mt_pem ca;
	char pin[45];
	size_t len;
	mode_t old = umask(0);
	listen_at(place, "plain", "127.0.0.1:1883", false);
	listen_at(place, "tls", "[::]:8883", true);
	assert_int_equal(start(place), MT_OK);
	umask(old);
	assert_true(place->is_first);
	assert_mode(place, "", 0700);
	assert_mode(place, "tls", 0700);
	assert_mode(place, "profiles", 0700);
	assert_mode(place, "profiles/admin.mortise", 0600);
	assert_mode(place, "tls/ca.key", 0600);
	assert_mode(place, "tls/issuer.key", 0600);
	assert_mode(place, "tls/server.key", 0600);
	assert_mode(place, "tls/ca.pem", 0644);
	assert_mode(place, "tls/issuer.pem", 0644);
	assert_mode(place, "tls/server.pem", 0644);
	assert_false(file_is_there(at(place, "tls.new")));
	assert_admin(place);
	assert_int_equal(mt_state_user_find(place->state, "admin", join_roles, place), MT_OK);
	assert_string_equal(place->fault, "admin");
	assert_int_equal(mt_state_revision(place->state), 1);
	profile = admin_profile(place);
	assert_string_equal(profile.host, "localhost");
	assert_int_equal(profile.port, 8883);
	assert_int_equal(strlen(profile.password), 32);
	ca.text = (char *)file_get(at(place, "tls/ca.pem"), &len);
	ca.len = len;
	assert_string_equal(profile.ca_pem, ca.text);
	assert_int_equal(mt_authority_pin(&ca, pin), MT_OK);
	assert_string_equal(profile.ca_pin, pin);
	mt_pem_finish(&ca);
	mt_profile_finish(&profile);
}

static void two_first_starts_share_no_secret(void **context)
{
	struct place *place = *context;
	struct mt_profile first, second;
	listen_at(place, "plain", "127.0.0.1:1883", false);
	assert_int_equal(start(place), MT_OK);
	first = admin_profile(place);
	mt_state_close(&place->state);
	folder_remove(place->settings.state_path);
	assert_int_equal(start(place), MT_OK);
	second = admin_profile(place);
	assert_string_not_equal(first.password, second.password);
	mt_profile_finish(&first);
	mt_profile_finish(&second);
}

static const char *const made[] = {
	"tls/ca.pem",	  "tls/ca.key",	    "tls/issuer.pem",	     "tls/issuer.key",
	"tls/server.pem", "tls/server.key", "profiles/admin.mortise"};

static void second_start_touches_nothing(void **context)
{
	struct place *place = *context;
	uint8_t *before[MT_COUNT_OF(made)];
	size_t len[MT_COUNT_OF(made)], after_len;
	listen_at(place, "tls", "[::]:8883", true);
	assert_int_equal(start(place), MT_OK);
	for (size_t i = 0; i < MT_COUNT_OF(made); i++)
		before[i] = file_get(at(place, made[i]), &len[i]);
	assert_int_equal(start(place), MT_OK);
	assert_false(place->is_first);
	assert_int_equal(mt_state_revision(place->state), 1);
	for (size_t i = 0; i < MT_COUNT_OF(made); i++) {
		uint8_t *after = file_get(at(place, made[i]), &after_len);
		assert_int_equal(after_len, len[i]);
		assert_memory_equal(after, before[i], after_len);
		free(after);
		free(before[i]);
	}
}

static void files_are_made_for_tls_of_our_own_only(void **context)
{
	struct place *place = *context;
	struct mt_profile profile;
	listen_at(place, "plain", "127.0.0.1:1884", false);
	listen_at(place, "tls", "192.0.2.7:8885", true);
	strcpy(place->settings.listeners[1].certificate_path, "/elsewhere.pem");
	assert_int_equal(start(place), MT_OK);
	assert_false(file_is_there(at(place, "tls")));
	profile = admin_profile(place);
	assert_null(profile.ca_pem);
	assert_string_equal(profile.ca_pin, "");
	assert_string_equal(profile.host, "192.0.2.7");
	assert_int_equal(profile.port, 8885);
	mt_profile_finish(&profile);
}

static void plain_profile_has_the_plain_address(void **context)
{
	struct place *place = *context;
	struct mt_profile profile;
	listen_at(place, "plain", "127.0.0.1:0", false);
	assert_int_equal(start(place), MT_OK);
	profile = admin_profile(place);
	assert_string_equal(profile.host, "127.0.0.1");
	assert_int_equal(profile.port, 1883);
	mt_profile_finish(&profile);
}

/* The process died between the profile and the row. */
static void profile_without_row_is_used(void **context)
{
	struct place *place = *context;
	struct mt_profile first, second;
	listen_at(place, "plain", "127.0.0.1:1883", false);
	assert_int_equal(start(place), MT_OK);
	first = admin_profile(place);
	mt_state_close(&place->state);
	assert_int_equal(unlink(at(place, "mortise.db")), 0);
	assert_int_equal(start(place), MT_OK);
	assert_true(place->is_first);
	second = admin_profile(place);
	assert_string_equal(first.password, second.password);
	assert_admin(place);
	mt_profile_finish(&first);
	mt_profile_finish(&second);
}

static void useless_profile_is_told(void **context)
{
	struct place *place = *context;
	static const char *const contents[] = {"address: a:1\nuser: admin\n",
					       "address: a:1\nuser: eve\npassword: x\n", "nonsense",
					       ""};
	listen_at(place, "plain", "127.0.0.1:1883", false);
	assert_int_equal(mkdir(place->settings.state_path, 0700), 0);
	assert_int_equal(mkdir(at(place, "profiles"), 0700), 0);
	for (size_t i = 0; i < MT_COUNT_OF(contents); i++) {
		file_put(at(place, "profiles/admin.mortise"), contents[i], strlen(contents[i]),
			 0600);
		assert_int_equal(start(place), MT_INVALID);
		assert_non_null(strstr(place->fault, "admin.mortise"));
		assert_int_equal(mt_state_revision(place->state), 0);
	}
	file_put(at(place, "profiles/admin.mortise"), "address: a:1\nuser: admin\npassword: x\n",
		 37, 0644);
	assert_int_equal(start(place), MT_DENIED);
}

/* Somebody removed the administrator, perhaps for a stolen profile: a restart must not bring it
 * back. */
static void removed_administrator_stays_removed(void **context)
{
	struct place *place = *context;
	char hash[MT_PASSWORD_HASH_BYTES];
	listen_at(place, "plain", "127.0.0.1:1883", false);
	assert_int_equal(start(place), MT_OK);
	assert_int_equal(mt_state_begin(place->state, "anna", "remove admin", 1), MT_OK);
	assert_int_equal(mt_state_user_remove(place->state, "admin"), MT_OK);
	assert_int_equal(mt_state_commit(place->state), MT_OK);
	assert_int_equal(start(place), MT_OK);
	assert_false(place->is_first);
	assert_int_equal(mt_state_user_find(place->state, "admin", take_hash, hash), MT_NOT_FOUND);
}

static void profile_taken_away_stays_away(void **context)
{
	struct place *place = *context;
	listen_at(place, "plain", "127.0.0.1:1883", false);
	assert_int_equal(start(place), MT_OK);
	assert_int_equal(unlink(at(place, "profiles/admin.mortise")), 0);
	assert_int_equal(start(place), MT_OK);
	assert_false(place->is_first);
	assert_int_equal(mt_provision_address(&place->settings, "localhost", 1), MT_OK);
	assert_false(file_is_there(at(place, "profiles/admin.mortise")));
}

static void address_follows_the_listener(void **context)
{
	struct place *place = *context;
	struct mt_profile before, after;
	listen_at(place, "tls", "[::]:0", true);
	assert_int_equal(start(place), MT_OK);
	before = admin_profile(place);
	assert_int_equal(mt_provision_address(&place->settings, "::", 40123), MT_OK);
	after = admin_profile(place);
	assert_string_equal(after.host, "localhost");
	assert_int_equal(after.port, 40123);
	assert_string_equal(after.password, before.password);
	assert_string_equal(after.ca_pem, before.ca_pem);
	assert_string_equal(after.ca_pin, before.ca_pin);
	assert_mode(place, "profiles/admin.mortise", 0600);
	mt_profile_finish(&before);
	mt_profile_finish(&after);
}

/* Each half of each pair: a sentence that names what is missing, and nothing is made. */
static void half_a_pair_is_told(void **context)
{
	struct place *place = *context;
	static const struct {
		const char *gone[4];
		const char *told;
	} cases[] = {
		{{"server.key"}, "server.key is not"},
		{{"server.pem"}, "server.pem is not"},
		{{"server.pem", "server.key", "issuer.key"}, "issuer.key is not"},
		{{"server.pem", "server.key", "issuer.pem"}, "issuer.pem is not"},
	};
	char name[64];
	listen_at(place, "tls", "[::]:8883", true);
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++) {
		assert_int_equal(start(place), MT_OK);
		for (size_t k = 0; k < 4 && cases[i].gone[k]; k++) {
			snprintf(name, sizeof(name), "tls/%s", cases[i].gone[k]);
			assert_int_equal(unlink(at(place, name)), 0);
		}
		assert_int_equal(start(place), MT_INVALID);
		assert_non_null(strstr(place->fault, cases[i].told));
		for (size_t k = 0; k < 4 && cases[i].gone[k]; k++) {
			snprintf(name, sizeof(name), "tls/%s", cases[i].gone[k]);
			assert_false(file_is_there(at(place, name)));
		}
		mt_state_close(&place->state);
		folder_remove(place->settings.state_path);
	}
}

static void server_certificate_is_made_anew_with_the_issuer(void **context)
{
	struct place *place = *context;
	uint8_t *before, *after;
	size_t before_len, after_len;
	listen_at(place, "tls", "[::]:8883", true);
	assert_int_equal(start(place), MT_OK);
	before = file_get(at(place, "tls/issuer.pem"), &before_len);
	assert_int_equal(unlink(at(place, "tls/server.pem")), 0);
	assert_int_equal(unlink(at(place, "tls/server.key")), 0);
	/* The CA's key is exported: the issuer is enough. */
	assert_int_equal(unlink(at(place, "tls/ca.key")), 0);
	assert_int_equal(start(place), MT_OK);
	assert_true(file_is_there(at(place, "tls/server.pem")));
	assert_true(file_is_there(at(place, "tls/server.key")));
	assert_false(file_is_there(at(place, "tls/ca.key")));
	after = file_get(at(place, "tls/issuer.pem"), &after_len);
	assert_int_equal(after_len, before_len);
	assert_memory_equal(after, before, after_len);
	free(before);
	free(after);
}

static void missing_ca_is_told_when_it_is_needed(void **context)
{
	struct place *place = *context;
	static const char *const needing[] = {"tls/server.pem", "tls/server.key", "tls/issuer.pem",
					      "tls/issuer.key"};
	listen_at(place, "tls", "[::]:8883", true);
	assert_int_equal(start(place), MT_OK);
	assert_int_equal(unlink(at(place, "tls/ca.key")), 0);
	assert_int_equal(start(place), MT_OK);
	for (size_t i = 0; i < MT_COUNT_OF(needing); i++)
		assert_int_equal(unlink(at(place, needing[i])), 0);
	assert_int_equal(start(place), MT_INVALID);
	assert_non_null(strstr(place->fault, "ca.key"));
	assert_false(file_is_there(at(place, "tls/issuer.key")));
}

/* The process died while the folder was filled: what it left is replaced. */
static void folder_cut_short_is_made_anew(void **context)
{
	struct place *place = *context;
	char draft[PATH_MAX];
	listen_at(place, "tls", "[::]:8883", true);
	assert_int_equal(start(place), MT_OK);
	snprintf(draft, sizeof(draft), "%s", at(place, "tls.new"));
	assert_int_equal(rename(at(place, "tls"), draft), 0);
	assert_int_equal(unlink(at(place, "tls.new/server.pem")), 0);
	assert_int_equal(unlink(at(place, "tls.new/issuer.pem")), 0);
	assert_int_equal(start(place), MT_OK);
	assert_true(file_is_there(at(place, "tls/server.pem")));
	assert_false(file_is_there(at(place, "tls.new")));
}

static void folders_of_others_are_refused(void **context)
{
	struct place *place = *context;
	static const char *const folders[] = {"", "tls", "profiles"};
	listen_at(place, "tls", "[::]:8883", true);
	assert_int_equal(mkdir(place->settings.state_path, 0700), 0);
	assert_int_equal(mkdir(at(place, "tls"), 0700), 0);
	assert_int_equal(mkdir(at(place, "profiles"), 0700), 0);
	for (size_t i = 0; i < MT_COUNT_OF(folders); i++) {
		assert_int_equal(chmod(at(place, folders[i]), 0777), 0);
		assert_int_equal(start(place), MT_DENIED);
		assert_non_null(strstr(place->fault, "chmod"));
		assert_int_equal(chmod(at(place, folders[i]), 0700), 0);
		if (geteuid() == 0) {
			assert_int_equal(chown(at(place, folders[i]), 1, 1), 0);
			assert_int_equal(start(place), MT_DENIED);
			assert_int_equal(chown(at(place, folders[i]), 0, 0), 0);
		}
	}
	assert_int_equal(start(place), MT_OK);
}

static void missing_parent_is_told(void **context)
{
	struct place *place = *context;
	snprintf(place->settings.state_path, sizeof(place->settings.state_path), "%s/none/state",
		 place->folder);
	assert_int_equal(start(place), MT_NOT_FOUND);
	assert_non_null(strstr(place->fault, "folder above"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(first_start_makes_everything),
		TEST(two_first_starts_share_no_secret),
		TEST(second_start_touches_nothing),
		TEST(files_are_made_for_tls_of_our_own_only),
		TEST(plain_profile_has_the_plain_address),
		TEST(profile_without_row_is_used),
		TEST(useless_profile_is_told),
		TEST(removed_administrator_stays_removed),
		TEST(profile_taken_away_stays_away),
		TEST(address_follows_the_listener),
		TEST(half_a_pair_is_told),
		TEST(server_certificate_is_made_anew_with_the_issuer),
		TEST(missing_ca_is_told_when_it_is_needed),
		TEST(folder_cut_short_is_made_anew),
		TEST(folders_of_others_are_refused),
		TEST(missing_parent_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What TLS proved: whom a CONNECT without a password stands for, and what ends it. */
#include "../core_world.h"

#define ANN 7 /* of world_policy */

static const struct mt_rule everything[] = {{.id = 1,
					     .operation = MT_OPERATION_BOTH,
					     .qos_mask = 7,
					     .filter = {(const uint8_t *)"own/%n/#", 8}}};

static void open_world(struct world *world)
{
	struct mt_core_settings settings = world_settings();
	world_open_with(world, &settings, world_policy(everything, MT_COUNT_OF(everything)));
}

/* role "": the listener demands credentials. */
static struct world_conn *dial(struct world *world, const char *role, bool is_required)
{
	struct world_conn *conn = world_dial(world, role);
	struct mt_conn_facts facts = {.listener = "test",
				      .anonymous_role = role,
				      .is_secret_safe = true,
				      .is_certificate_required = is_required};
	mt_core_closed(world->core, world->now, conn->conn);
	assert_int_equal(mt_core_open(world->core, world->now, &facts, &conn->conn), MT_OK);
	world_serve(world);
	return conn;
}

static void prove(struct world *world, const struct world_conn *conn, enum mt_proof_kind kind,
		  uint64_t user_id)
{
	struct mt_proof proof = {
		.kind = kind, .user_id = user_id, .cn = mt_bytes_str("ann's door")};
	mt_core_prove(world->core, world->now, conn->conn, &proof);
	world_serve(world);
}

/* user, password NULL: none. */
static void say_hello(struct world *world, struct world_conn *conn, const char *user,
		      const char *password)
{
	struct mt_connect connect = {.version = MT_VERSION_5,
				     .is_clean = true,
				     .client_id = mt_bytes_str("c"),
				     .has_user = user != NULL,
				     .user = mt_bytes_str(user ? user : ""),
				     .has_password = password != NULL,
				     .password = mt_bytes_str(password ? password : "")};
	world_send_connect(world, conn, &connect);
}

static void expect_refusal(struct world *world, struct world_conn *conn, uint8_t reason,
			   const char *what)
{
	struct mt_connack connack = world_take_connack(conn);
	assert_int_equal(connack.reason, reason);
	assert_string_equal(world->last_audit.what, what);
	assert_true(conn->is_closed);
}

static void expect_welcome(struct world_conn *conn)
{
	assert_int_equal(world_take_connack(conn).reason, MT_REASON_SUCCESS);
	assert_false(conn->is_closed);
}

static void test_a_proof_stands_for_its_user(void **state)
{
	static const char *const names[] = {NULL, "ann"};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(names); i++) {
		struct world world;
		struct world_conn *conn;
		open_world(&world);
		conn = dial(&world, "", true);
		prove(&world, conn, MT_PROOF_CERTIFICATE, ANN);
		say_hello(&world, conn, names[i], NULL);
		expect_welcome(conn);
		assert_int_equal(world.auth_count, 0);
		assert_string_equal(world.last_audit.user, "ann");
		/* %n is the CN. */
		assert_int_equal(world_subscribe(&world, conn, "own/ann's door/x", 1), 1);
		assert_int_equal(world_subscribe(&world, conn, "own/bob/x", 1), 0x87);
		world_close(&world);
	}
}

static void test_another_name_is_refused(void **state)
{
	struct world world;
	struct world_conn *conn;
	(void)state;
	open_world(&world);
	conn = dial(&world, "open", false);
	prove(&world, conn, MT_PROOF_CERTIFICATE, ANN);
	say_hello(&world, conn, "admin", NULL);
	expect_refusal(&world, conn, MT_REASON_BAD_USER_NAME_OR_PASSWORD,
		       "the user name is another than that of the certificate or key");
	assert_int_equal(world.auth_count, 0);
	world_close(&world);
}

/* The password of somebody else does not help. */
static void test_both_must_agree(void **state)
{
	static const uint64_t users[] = {ANN, 8};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(users); i++) {
		struct world world;
		struct world_conn *conn;
		struct mt_auth_verdict verdict = {.is_accepted = true, .user_id = users[i]};
		open_world(&world);
		conn = dial(&world, "", false);
		prove(&world, conn, MT_PROOF_CERTIFICATE, ANN);
		say_hello(&world, conn, NULL, "secret");
		assert_int_equal(world.auth_count, 1);
		mt_core_authenticated(world.core, world.now, world.auth_ticket, &verdict);
		world_serve(&world);
		if (users[i] == ANN)
			expect_welcome(conn);
		else
			expect_refusal(&world, conn, MT_REASON_BAD_USER_NAME_OR_PASSWORD,
				       "the user is another than that of the certificate or key");
		world_close(&world);
	}
}

static void test_a_certificate_is_required(void **state)
{
	struct world world;
	struct world_conn *conn;
	(void)state;
	open_world(&world);
	/* Neither a password, nor the anonymous role, nor a key stands in for it. */
	conn = dial(&world, "open", true);
	say_hello(&world, conn, "ann", "secret");
	expect_refusal(&world, conn, MT_REASON_NOT_AUTHORIZED, "a client certificate is required");
	conn = dial(&world, "open", true);
	say_hello(&world, conn, NULL, NULL);
	expect_refusal(&world, conn, MT_REASON_NOT_AUTHORIZED, "a client certificate is required");
	conn = dial(&world, "open", true);
	prove(&world, conn, MT_PROOF_PSK, ANN);
	say_hello(&world, conn, NULL, NULL);
	expect_refusal(&world, conn, MT_REASON_NOT_AUTHORIZED, "a client certificate is required");
	assert_int_equal(world.auth_count, 0);
	world_close(&world);
}

static void test_a_certificate_of_nobody(void **state)
{
	struct world world;
	struct world_conn *conn;
	(void)state;
	open_world(&world);
	/* Where one is required it does not make an anonymous client of its holder. */
	conn = dial(&world, "open", true);
	prove(&world, conn, MT_PROOF_CERTIFICATE, 0);
	say_hello(&world, conn, NULL, NULL);
	expect_refusal(&world, conn, MT_REASON_NOT_AUTHORIZED,
		       "the client certificate stands for no user");
	/* With a password it is a gate before it. */
	conn = dial(&world, "", true);
	prove(&world, conn, MT_PROOF_CERTIFICATE, 0);
	say_hello(&world, conn, "ann", "secret");
	assert_int_equal(world.auth_count, 1);
	assert_false(conn->is_closed);
	/* Where it is not, it is worth as much as none. */
	conn = dial(&world, "open", false);
	prove(&world, conn, MT_PROOF_CERTIFICATE, 0);
	say_hello(&world, conn, NULL, NULL);
	expect_welcome(conn);
	world_close(&world);
}

static struct mt_policy *without_ann(bool is_there)
{
	struct mt_policy_builder *builder = mt_policy_builder_create(2, (struct mt_seed){{3, 4}});
	struct mt_user user = {.id = ANN, .name = mt_bytes_str("ann"), .is_enabled = false};
	struct mt_policy *policy;
	if (is_there)
		assert_int_equal(mt_policy_builder_user(builder, &user, NULL, 0), MT_OK);
	assert_int_equal(mt_policy_build(&builder, &policy), MT_OK);
	return policy;
}

static void test_a_user_that_is_gone_or_disabled(void **state)
{
	static const bool is_there[] = {false, true};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(is_there); i++) {
		struct world world;
		struct world_conn *conn;
		struct mt_policy *policy = without_ann(is_there[i]);
		open_world(&world);
		conn = dial(&world, "open", false);
		prove(&world, conn, MT_PROOF_CERTIFICATE, ANN);
		mt_core_set_policy(world.core, world.now, policy);
		mt_policy_unref(&policy);
		say_hello(&world, conn, NULL, NULL);
		expect_refusal(&world, conn, MT_REASON_NOT_AUTHORIZED, "user is gone or disabled");
		world_close(&world);
	}
}

static void test_who_is_expelled(void **state)
{
	struct world world;
	struct world_conn *conn, *other;
	(void)state;
	open_world(&world);
	conn = dial(&world, "", true);
	prove(&world, conn, MT_PROOF_CERTIFICATE, ANN);
	say_hello(&world, conn, NULL, NULL);
	expect_welcome(conn);
	other = dial(&world, "", true);
	mt_core_expel(world.core, world.now, conn->conn, MT_EXPELLED_REVOKED);
	mt_core_expel(world.core, world.now, other->conn, MT_EXPELLED_EXPIRED);
	mt_core_expel(world.core, world.now, conn->conn, MT_EXPELLED_REVOKED);
	world_serve(&world);
	assert_int_equal(world_take_disconnect(conn), MT_REASON_ADMINISTRATIVE_ACTION);
	assert_true(conn->is_closed);
	assert_true(other->is_closed);
	assert_string_equal(world.last_audit.what, "the certificate or key was revoked");
	/* Nobody is there any more. */
	mt_core_expel(world.core, world.now, conn->conn, MT_EXPELLED_REVOKED);
	prove(&world, conn, MT_PROOF_CERTIFICATE, ANN);
	world_close(&world);
}

/* A proof is told once. */
static void test_a_second_proof_is_none(void **state)
{
	struct world world;
	struct world_conn *conn;
	(void)state;
	open_world(&world);
	conn = dial(&world, "", false);
	prove(&world, conn, MT_PROOF_CERTIFICATE, 0);
	prove(&world, conn, MT_PROOF_CERTIFICATE, ANN);
	say_hello(&world, conn, NULL, NULL);
	expect_refusal(&world, conn, MT_REASON_NOT_AUTHORIZED,
		       "the client certificate stands for no user");
	world_close(&world);
}

/* What the listener does not take is refused, whoever it proves; and the audit record tells. */
static void test_only_what_is_accepted_counts(void **state)
{
	static const enum mt_mechanism kinds[] = {MT_MECHANISM_CERTIFICATE, MT_MECHANISM_PSK};
	(void)state;
	for (size_t i = 0; i < 2 * MT_COUNT_OF(kinds); i++) {
		enum mt_mechanism kind = kinds[i / 2], taken = kinds[i % 2];
		struct world world;
		struct world_conn *conn;
		struct mt_conn_facts facts = {.listener = "test",
					      .anonymous_role = "",
					      .is_secret_safe = true,
					      .accepted = mt_mechanism_bit(taken)};
		open_world(&world);
		conn = world_dial(&world, "");
		mt_core_closed(world.core, world.now, conn->conn);
		assert_int_equal(mt_core_open(world.core, world.now, &facts, &conn->conn), MT_OK);
		prove(&world, conn, kind == MT_MECHANISM_PSK ? MT_PROOF_PSK : MT_PROOF_CERTIFICATE,
		      ANN);
		say_hello(&world, conn, NULL, NULL);
		if (kind == taken)
			expect_welcome(conn);
		else
			expect_refusal(&world, conn, MT_REASON_NOT_AUTHORIZED,
				       mt_mechanism_unaccepted(kind));
		assert_int_equal(world.last_audit.mechanism, kind);
		world_close(&world);
	}
}

/* The secret in CONNECT decides, and the certificate must agree with it. */
static void test_what_decides_is_told(void **state)
{
	struct mt_auth_verdict verdict = {
		.is_accepted = true, .user_id = ANN, .mechanism = MT_MECHANISM_TOKEN};
	struct mt_client_info info;
	struct world world;
	struct world_conn *conn;
	uint32_t cursor = 0;
	(void)state;
	open_world(&world);
	conn = dial(&world, "", false);
	prove(&world, conn, MT_PROOF_CERTIFICATE, ANN);
	say_hello(&world, conn, NULL, "secret");
	mt_core_authenticated(world.core, world.now, world.auth_ticket, &verdict);
	world_serve(&world);
	expect_welcome(conn);
	assert_int_equal(world.last_audit.mechanism, MT_MECHANISM_TOKEN);
	assert_true(mt_core_next_client(world.core, &cursor, &info));
	assert_int_equal(info.mechanism, MT_MECHANISM_TOKEN);
	assert_int_equal(mt_core_counts(world.core).logins_TOKEN, 1);
	assert_int_equal(mt_core_counts(world.core).logins_CERTIFICATE, 0);
	world_close(&world);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_proof_stands_for_its_user),
		cmocka_unit_test(test_another_name_is_refused),
		cmocka_unit_test(test_both_must_agree),
		cmocka_unit_test(test_a_certificate_is_required),
		cmocka_unit_test(test_a_certificate_of_nobody),
		cmocka_unit_test(test_a_user_that_is_gone_or_disabled),
		cmocka_unit_test(test_who_is_expelled),
		cmocka_unit_test(test_a_second_proof_is_none),
		cmocka_unit_test(test_only_what_is_accepted_counts),
		cmocka_unit_test(test_what_decides_is_told),
	};
	return cmocka_run_group_tests_name("core_proof", tests, NULL, NULL);
}

/* The memory ceiling as a sum. */
#include "shell/ceiling.h"

#include "shell/auth.h"
#include "shell/pump.h"
#include "shell/relay_link.h"

/* OpenSSL's part of a connection: its state and two records. */
#define TLS_BYTES_MAX 65536u
#define PASSWORD_BYTES (UINT64_C(19) << 20) /* of one Argon2id */

static bool has_tls(const struct mt_settings *settings)
{
	for (uint32_t i = 0; i < settings->listener_count; i++)
		if (settings->listeners[i].is_tls)
			return true;
	return false;
}

/* A sum that would wrap stays at the top. */
static uint64_t add(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

void mt_ceiling_report(const struct mt_settings *settings)
{
	const struct mt_limits *limits = &settings->limits;
	uint64_t sockets =
		(uint64_t)limits->connections *
		(sizeof(struct mt_socket) + MT_SOCKET_LEFT_BYTES_MAX + MT_SCRAM_EXCHANGE_BYTES);
	uint64_t tls = has_tls(settings) ? add((uint64_t)limits->connections * TLS_BYTES_MAX,
					       settings->tls_session_bytes)
					 : 0;
	uint64_t passwords = settings->hash_threads * PASSWORD_BYTES +
			     MT_AUTH_QUEUE_MAX * sizeof(struct mt_auth_job);
	uint64_t loop = sizeof(struct mt_pump);
	uint64_t https = settings->https.address[0] == '\0'
				 ? 0
				 : (uint64_t)settings->https.connections *
					   (sizeof(struct mt_relay_link) + TLS_BYTES_MAX);
	uint64_t sum = add(limits->memory_bytes, add(tls, sockets + passwords + loop + https));
	if (limits->memory_bytes == UINT64_MAX)
		mt_log(MT_LOG_NOTICE, "broker", "no memory ceiling",
		       MT_STR("why", "limits.memory_bytes is off"));
	else
		mt_log(MT_LOG_NOTICE, "broker", "memory ceiling", MT_U64("sum", sum),
		       MT_U64("core", limits->memory_bytes), MT_U64("sockets", sockets),
		       MT_U64("tls", tls), MT_U64("passwords", passwords), MT_U64("loop", loop),
		       MT_U64("https", https));
}

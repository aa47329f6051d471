/* Turns what OpenSSL reports into one readable sentence. */
#include "tls/parts.h"

#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>

#define MQTT_CONNECT_BYTE 0x10

void mt_tls_fault_say(char *fault, size_t cap, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(fault, cap, format, args);
	va_end(args);
	ERR_clear_error();
}

const char *mt_tls_fault_reason(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_error());

	return text ? text : "no reason given";
}

/* Reasons whose own text says little to a person; NULL: the library's text will do. */
static const char *reword(int reason, uint8_t first_byte)
{
	switch (reason) {
	case SSL_R_HTTP_REQUEST:
	case SSL_R_HTTPS_PROXY_REQUEST:
		return "the peer speaks plain HTTP, not TLS";
	case SSL_R_WRONG_VERSION_NUMBER:
		return first_byte == MQTT_CONNECT_BYTE ? "the peer speaks plain MQTT, not TLS"
						       : "what the peer sends is not TLS";
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_VERSION_TOO_LOW:
		return "the peer knows neither TLS 1.2 nor TLS 1.3";
	case SSL_R_NO_SHARED_CIPHER:
		return "the peer offers no cipher suite with authentication and forward secrecy";
	case SSL_R_NO_SUITABLE_KEY_SHARE:
	case SSL_R_NO_SHARED_GROUPS:
		return "the peer offers neither X25519 nor P-256";
	case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
		return "a record of the peer is damaged or forged";
	default:
		return NULL;
	}
}

void mt_tls_fault_describe(const SSL *ssl, uint8_t first_byte, char *fault, size_t cap)
{
	unsigned long error = ERR_peek_last_error();
	int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
	const char *text = reword(reason, first_byte);

	if (!text)
		text = ERR_reason_error_string(error);
	if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
		mt_tls_fault_say(fault, cap, "certificate verify failed: %s",
				 X509_verify_cert_error_string(SSL_get_verify_result(ssl)));
	else if (reason > SSL_AD_REASON_OFFSET)
		mt_tls_fault_say(fault, cap, "the peer refused with an alert: %s",
				 SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET));
	else
		mt_tls_fault_say(fault, cap, "%s", text ? text : "TLS failed without a reason");
}

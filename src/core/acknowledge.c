/* PUBACK, PUBREC, PUBREL, PUBCOMP from a client (sections 3.4 to 3.7 and 4.3). */
#include "core/state.h"

#include "wire/ack.h"

const char *mt_ack_explain(uint8_t reason)
{
	switch (reason) {
	case MT_REASON_NOT_AUTHORIZED:
		return "no rule of this identity permits it";
	case MT_REASON_QUOTA_EXCEEDED:
		return "a limit of the broker is reached";
	case MT_REASON_TOPIC_NAME_INVALID:
	case MT_REASON_TOPIC_FILTER_INVALID:
		return "it has too many levels";
	case MT_REASON_PAYLOAD_FORMAT_INVALID:
		return "the payload is not UTF-8 as its format indicator says";
	default:
		return NULL;
	}
}

void mt_ack_send(struct mt_core *core, struct mt_peer *peer, uint8_t type, uint16_t packet_id,
		 uint8_t reason)
{
	struct mt_ack ack = {.type = type, .reason = reason, .packet_id = packet_id};
	uint8_t data[128];
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	const char *explanation;
	if (peer->version != MT_VERSION_5 && reason >= MT_REASON_UNSPECIFIED_ERROR &&
	    (type == MT_PACKET_PUBACK || type == MT_PACKET_PUBREC)) {
		/* 3.1.1 cannot say no: closing is the only answer that is not a lie. */
		mt_peer_close(core, peer, reason, true, "a publish could not be kept");
		return;
	}
	explanation =
		MT_UNLIKELY(reason >= MT_REASON_UNSPECIFIED_ERROR) ? mt_ack_explain(reason) : NULL;
	if (explanation && peer->is_problem_info_wanted) {
		ack.props.present = MT_PROP_BIT(REASON_STRING);
		ack.props.reason_string = mt_bytes_str(explanation);
	}
	MT_CHECK(mt_ack_encode(&ack, peer->version, &buf) == MT_OK);
	/* [MQTT-3.1.2-24] and [MQTT-3.4.2-2]: the explanation goes when the packet would be too
	 * large for the client. */
	if (buf.pos > peer->packet_bytes_max) {
		ack.props.present = 0;
		buf = mt_buf_of(data, sizeof(data));
		MT_CHECK(mt_ack_encode(&ack, peer->version, &buf) == MT_OK);
	}
	mt_peer_send(core, peer, mt_buf_view(&buf));
}

static void puback(struct mt_core *core, struct mt_session *session, const struct mt_ack *ack)
{
	struct mt_delivery *delivery = mt_flow_out_find(&session->out, ack->packet_id);
	if (delivery && delivery->qos == 1)
		mt_delivery_end(core, session, delivery);
}

/* The payload goes, the id stays. */
static void release(struct mt_core *core, struct mt_session *session, struct mt_delivery *delivery)
{
	core->queued_bytes -= delivery->bytes;
	mt_flow_out_release(&session->out, delivery);
	core->queued_bytes += delivery->bytes;
}

/* An unknown id gets its PUBREL too, so that the client can forget it; 5 says why. */
static void pubrec(struct mt_core *core, struct mt_peer *peer, const struct mt_ack *ack)
{
	struct mt_session *session = peer->session;
	struct mt_delivery *delivery = mt_flow_out_find(&session->out, ack->packet_id);
	bool is_known = delivery && delivery->qos == 2;
	if (is_known && ack->reason >= MT_REASON_UNSPECIFIED_ERROR) {
		mt_delivery_end(core, session, delivery);
		return;
	}
	if (is_known && delivery->state == MT_DELIVERY_SENT)
		release(core, session, delivery);
	if (ack->reason < MT_REASON_UNSPECIFIED_ERROR)
		mt_ack_send(core, peer, MT_PACKET_PUBREL, ack->packet_id,
			    is_known ? MT_REASON_SUCCESS : MT_REASON_PACKET_IDENTIFIER_NOT_FOUND);
}

static void pubrel(struct mt_core *core, struct mt_peer *peer, const struct mt_ack *ack)
{
	bool is_known = mt_flow_in_remove(&peer->session->in, ack->packet_id);
	mt_ack_send(core, peer, MT_PACKET_PUBCOMP, ack->packet_id,
		    is_known ? MT_REASON_SUCCESS : MT_REASON_PACKET_IDENTIFIER_NOT_FOUND);
}

static void pubcomp(struct mt_core *core, struct mt_session *session, const struct mt_ack *ack)
{
	struct mt_delivery *delivery = mt_flow_out_find(&session->out, ack->packet_id);
	if (delivery && delivery->state == MT_DELIVERY_RELEASED)
		mt_delivery_end(core, session, delivery);
}

void mt_acknowledge(struct mt_core *core, struct mt_peer *peer, const struct mt_frame *frame)
{
	struct mt_ack ack;
	struct mt_violation why;
	if (mt_ack_decode(frame, peer->version, &ack, &why) != MT_OK) {
		mt_peer_violated(core, peer, &why);
		return;
	}
	switch (ack.type) {
	case MT_PACKET_PUBACK:
		puback(core, peer->session, &ack);
		break;
	case MT_PACKET_PUBREC:
		pubrec(core, peer, &ack);
		break;
	case MT_PACKET_PUBREL:
		pubrel(core, peer, &ack);
		break;
	default:
		pubcomp(core, peer->session, &ack);
		break;
	}
	mt_deliver_pump(core, peer->session);
}

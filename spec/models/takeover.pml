/*
 * One session and the connections that claim it (MQTT 5.0 sections 3.1.4, 3.1.2.5, 4.1; takeover within one identity).
 *
 *   connection   NEW --CONNECT--> AUTH --verdict--> OPEN --taken over / DISCONNECT--> CLOSING --closed--> GONE
 *                                                    '---------------lost-----------------------------^
 *   message      waiting --to the owner--> in flight --PUBACK of the owner--> gone
 *
 * CONNECTIONS clients with one client id connect when they like, lose the connection or say DISCONNECT when they like;
 * verdicts come in any order. QoS 1, one message in flight, so that its packet id is used again at once.
 * Shown: one connection has the session; what is sent goes to the one welcomed last; a message is done only when a
 * client has had it, and none stays behind while a client is there to take it; a will fires once at most, never after
 * DISCONNECT nor once its session goes on, and exactly once without a delay.
 *
 * MUTANT_n is an error that must be found:
 *   1 the end of a connection that was taken over ends the session's connection
 *   2 the PUBACK of a connection that was taken over is taken
 *   3 the older connection is not closed
 *   4 what was in flight is not sent again
 *   5 the will of the older connection stays with the session and fires beside the newer one's
 */
#ifndef CONNECTIONS
#define CONNECTIONS 2 /* 3: 12 million states */
#endif
#define MESSAGES 2
#define NONE CONNECTIONS

#define NEW 0
#define AUTH 1
#define OPEN 2
#define CLOSING 3
#define GONE 4

mtype = { CONNECT, PUBACK, DISCONNECT, CONNACK, PUBLISH };

chan to_server[CONNECTIONS] = [2] of { mtype };
chan to_client[CONNECTIONS] = [2] of { mtype, byte /* message */ };

byte phase[CONNECTIONS];
bool is_lost[CONNECTIONS]; /* the network, or the client, ended it */
bool was_welcomed[CONNECTIONS];
bool has_left[CONNECTIONS]; /* by DISCONNECT, and the server knows */
bool is_will_delayed[CONNECTIONS];
byte fired[CONNECTIONS];
bool is_void[CONNECTIONS]; /* its will came too late */

/* The session. */
byte owner = NONE;
byte will_of = NONE; /* whose will it holds */
byte published;	     /* messages 0 .. published - 1 exist */
byte done;	     /* messages 0 .. done - 1 are acknowledged */
bool is_in_flight;   /* message `done` was sent to an owner */
bool is_due;	     /* ... on an earlier connection, and not yet on this one */

bool was_had[MESSAGES]; /* by some client */
byte last_welcomed = NONE;
byte open_count;
#ifdef MUTANT_5
byte other_will = NONE;
#endif

/* core/depart.c: fire_will. */
inline fire()
{
	if
	:: will_of != NONE ->
		fired[will_of]++;
		assert(fired[will_of] == 1);
		assert(!has_left[will_of] && !is_void[will_of]);
		will_of = NONE
	:: else
	fi
}

/* core/depart.c: mt_depart; the session persists. */
inline depart(is_will_due)
{
	owner = NONE;
	if
	:: !(is_will_due) -> will_of = NONE
	:: (is_will_due) && will_of != NONE && !is_will_delayed[will_of] -> fire()
	:: else
	fi
}

/* core/connect.c: take_over, find_session, join, welcome. */
inline admit(c)
{
	if
	:: owner != NONE ->
#ifndef MUTANT_3
		phase[owner] = CLOSING; open_count--;
#endif
		depart(true)
	:: else
	fi;
	/* A new connection before the delay has passed: that will is never sent ([MQTT-3.1.3-9]). */
	if
	:: will_of != NONE ->
		is_void[will_of] = true;
#ifdef MUTANT_5
		other_will = will_of
#endif
	:: else
	fi;
	will_of = c;
	owner = c;
	phase[c] = OPEN;
	was_welcomed[c] = true;
	open_count++;
	assert(open_count == 1);
	last_welcomed = c;
	to_client[c]!CONNACK(0);
#ifndef MUTANT_4
	is_due = is_in_flight
#endif
}

/* The core, as one process for each connection; every step runs to completion. */
active [CONNECTIONS] proctype server()
{
	byte c = _pid;
end:
	do
	/* core/connect.c: mt_connect_handle asks for the verdict. */
	:: atomic { to_server[c]?[CONNECT] -> to_server[c]?CONNECT; phase[c] = AUTH }
	:: atomic { phase[c] == AUTH -> admit(c) }
	/* core/acknowledge.c: puback. */
	:: atomic { to_server[c]?[PUBACK] ->
		to_server[c]?PUBACK;
		if
#ifdef MUTANT_2
		:: is_in_flight ->
#else
		:: phase[c] == OPEN && is_in_flight ->
#endif
			assert(was_had[done]);
			done++; is_in_flight = false; is_due = false
		:: else
		fi
	}
	/* core/core.c: disconnected_by_client. */
	:: atomic { to_server[c]?[DISCONNECT] ->
		to_server[c]?DISCONNECT;
		if
		:: phase[c] == OPEN -> has_left[c] = true; phase[c] = CLOSING; open_count--; depart(false)
		:: else
		fi
	}
	/* core/core.c: mt_core_closed, when all that had come was read. */
	:: atomic { is_lost[c] && phase[c] != GONE && empty(to_server[c]) ->
		if
#ifdef MUTANT_1
		:: phase[c] == OPEN || (phase[c] == CLOSING && !has_left[c]) -> depart(true)
#else
		:: phase[c] == OPEN -> open_count--; depart(true)
#endif
		:: else
		fi;
		phase[c] = GONE
	}
	od
}

/* core/deliver.c: mt_deliver_resume, mt_deliver_pump. */
active proctype deliver()
{
end:
	do
	:: atomic { owner != NONE && nfull(to_client[owner]) && is_due ->
		assert(owner == last_welcomed);
		to_client[owner]!PUBLISH(done); is_due = false
	}
	:: atomic { owner != NONE && nfull(to_client[owner]) && !is_in_flight && done < published ->
		assert(owner == last_welcomed);
		to_client[owner]!PUBLISH(done); is_in_flight = true
	}
	:: atomic { published < MESSAGES -> published++ }
	/* core/depart.c: mt_session_timer_fired. */
	:: atomic { owner == NONE && will_of != NONE -> fire() }
#ifdef MUTANT_5
	:: atomic { other_will != NONE ->
		assert(!is_void[other_will]); fired[other_will]++; other_will = NONE
	}
#endif
	od
}

active [CONNECTIONS] proctype client()
{
	byte c = _pid - CONNECTIONS - 1, message;
	bool is_staying; /* until it is taken over */
	if
	:: is_will_delayed[c] = true
	:: skip
	fi;
	if
	:: is_staying = true
	:: skip
	fi;
	to_server[c]!CONNECT;
end:
	do
	:: atomic { to_client[c]?[CONNACK, _] -> to_client[c]?CONNACK(_) }
	:: atomic { to_client[c]?[PUBLISH, _] && nfull(to_server[c]) ->
		to_client[c]?PUBLISH(message);
		was_had[message] = true;
		message = 0;
		to_server[c]!PUBACK
	}
	:: atomic { !is_staying && nfull(to_server[c]) ->
		to_server[c]!DISCONNECT; is_lost[c] = true; break
	}
	/* What the client has not read is gone; what it wrote may still come, or not. */
	:: atomic { !is_staying ->
		is_lost[c] = true;
		if
		:: skip
		:: nempty(to_server[c]) ->
			do
			:: nempty(to_server[c]) -> to_server[c]?_
			:: empty(to_server[c]) -> break
			od
		fi;
		break
	}
	/* The server has closed. */
	:: atomic { phase[c] == CLOSING && empty(to_client[c]) -> is_lost[c] = true; break }
	od
}

/* Nothing can move any more. */
active proctype observer()
{
	byte c;
end:
	do
	:: timeout -> atomic {
		assert(owner == NONE || done == MESSAGES);
		for (c : 0 .. CONNECTIONS - 1) {
			assert(phase[c] != OPEN || owner == c);
			assert(!was_welcomed[c] || phase[c] == OPEN || has_left[c] || is_will_delayed[c] ||
			       fired[c] == 1);
		}
		break
	}
	od
}

/*
 * QoS 2 from one side to the other over connections that break (MQTT 5.0 section 4.3.3 method B, 4.4).
 *
 *   sender   waiting --PUBLISH--> SENT --PUBREC/PUBREL--> RELEASED --PUBCOMP--> gone, the id is free
 *   receiver PUBLISH: pass on unless the id is held, hold it, PUBREC      PUBREL: let go, PUBCOMP
 *
 * A break loses all that is under way in both directions; both sides keep their state and the sender sends again.
 * Shown: every message is passed on exactly once and in order, no id is used for two messages, and once the network
 * stays up all are completed (an end state with work left is an assertion).
 *
 * MUTANT_n is an error that must be found:
 *   1 the receiver forgets the held ids with the connection
 *   2 the sender frees the id at PUBREC
 *   3 a released message is sent again as PUBLISH
 *   4 the receiver lets go of the id when it answers PUBREC
 */
#define MESSAGES 6
#define IDS 2 /* the window, and the ids that exist */
#define BREAKS 5

#define FREE 0
#define SENT 1
#define RELEASED 2

mtype = { PUBLISH, PUBREC, PUBREL, PUBCOMP };

chan forth = [4] of { mtype, byte /* id */, byte /* message */ };
chan back = [4] of { mtype, byte };

byte state[IDS]; /* of the sender, by packet id */
byte message[IDS];
bool is_due[IDS]; /* in flight since an earlier connection, not sent again on this one */
byte next_message;
byte completed;

bool is_held[IDS]; /* of the receiver */
byte passed_on[MESSAGES];
byte last_passed; /* order: message n comes after n - 1 */

byte breaks;

/* session/flow_out.c: start, repeat; core/acknowledge.c: pubrec, pubcomp. In flight are sent again in their order,
 * before anything new. */
active proctype sender()
{
	byte id, oldest;
end:
	do
	:: atomic { nfull(forth) && (is_due[0] || is_due[1]) ->
		/* the older of those that are due */
		if
		:: is_due[0] && is_due[1] && message[1] < message[0] -> oldest = 1
		:: is_due[0] && is_due[1] && message[0] < message[1] -> oldest = 0
		:: is_due[0] && !is_due[1] -> oldest = 0
		:: is_due[1] && !is_due[0] -> oldest = 1
		fi;
		is_due[oldest] = false;
		if
		:: state[oldest] == SENT -> forth!PUBLISH(oldest, message[oldest])
#ifdef MUTANT_3
		:: state[oldest] == RELEASED -> forth!PUBLISH(oldest, message[oldest])
#else
		:: state[oldest] == RELEASED -> forth!PUBREL(oldest, 0)
#endif
		fi;
		oldest = 0
	}
	:: atomic { nfull(forth) && next_message < MESSAGES && !is_due[0] && !is_due[1] &&
		    (state[0] == FREE || state[1] == FREE) ->
		if
		:: state[0] == FREE -> id = 0
		:: state[1] == FREE -> id = 1
		fi;
		state[id] = SENT;
		message[id] = next_message;
		forth!PUBLISH(id, next_message);
		next_message++;
		id = 0
	}
	:: atomic { nfull(forth) && back?[PUBREC, _] ->
		back?PUBREC(id);
		if
		:: state[id] == SENT ->
#ifdef MUTANT_2
			state[id] = FREE; completed++;
#else
			state[id] = RELEASED;
#endif
			is_due[id] = false
		:: else
		fi;
		/* An id that is not known gets its PUBREL too. */
		forth!PUBREL(id, 0);
		id = 0
	}
	:: atomic { back?PUBCOMP(id) ->
		if
		:: state[id] == RELEASED -> state[id] = FREE; is_due[id] = false; completed++
		:: else
		fi;
		id = 0
	}
	od
}

/* session/flow_in.c; core/stage.c and core/acknowledge.c: pubrel. */
active proctype receiver()
{
	byte id, what;
end:
	do
	:: atomic { nfull(back) && forth?[PUBLISH, _, _] ->
		forth?PUBLISH(id, what);
		if
		:: !is_held[id] ->
			passed_on[what]++;
			assert(passed_on[what] == 1);
			assert(what == last_passed);
			last_passed = what + 1;
			is_held[id] = true
		:: else
		fi;
#ifdef MUTANT_4
		is_held[id] = false;
#endif
		back!PUBREC(id);
		id = 0; what = 0
	}
	:: atomic { nfull(back) && forth?[PUBREL, _, _] ->
		forth?PUBREL(id, _);
		is_held[id] = false;
		back!PUBCOMP(id);
		id = 0
	}
	od
}

/* The connection breaks and comes back: all under way is lost, the sender resumes (mt_flow_out_resume). */
active proctype network()
{
end:
	do
	:: breaks < BREAKS -> d_step {
		breaks++;
		do
		:: nempty(forth) -> forth?_, _, _
		:: empty(forth) -> break
		od;
		do
		:: nempty(back) -> back?_, _
		:: empty(back) -> break
		od;
		is_due[0] = state[0] != FREE;
		is_due[1] = state[1] != FREE;
#ifdef MUTANT_1
		is_held[0] = false; is_held[1] = false;
#endif
	}
	od
}

/* Nothing can move any more: then nothing may be left to do. */
active proctype observer()
{
end:
	do
	:: timeout ->
		assert(completed == MESSAGES);
		assert(!is_held[0] && !is_held[1]);
		break
	od
}

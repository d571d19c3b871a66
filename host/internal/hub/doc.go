// Package hub keeps the long-lived connections of a realm: who is there, in which groups, bound to which user, with
// which session; what waits to be handled and what waits to be sent. It knows no socket (a [Peer] is the client's end)
// and no process (a [Backend] takes events).
//
// A host has a [Hub] for each realm, and they know nothing of each other: what workers of one ask about another's
// connection, group or user is answered as if it were not there, for there it is not. Whoever gives a connection
// [Terms] sees to it that their Backend's workers ask this hub; acts on an event's own connection that come to another
// one are refused.
//
// What it promises:
//   - A connection's events are handled in the order they came, one at a time. What an event's handler asked for is
//     carried out before the connection's next event is submitted.
//   - What one handler sends to one connection arrives in that order, and before what the handlers of later events
//     send to it.
//   - CLOSE is a connection's last event, and comes exactly once if the connection opened, unless another host has it
//     handled ([Connection.Disown]). Of one whose host has died nothing but that comes ([Hub.Inherit]).
//   - What was sent before a HANGUP is written before the farewell, unless that takes longer than [Terms].Farewell:
//     then the peer is cut off.
//   - Acts of one commit take effect all together, in their order, or not at all.
//   - Nothing here waits for a client, save [Connection.Deliver] and a goroutine of a connection's own while its
//     client is slow. An idle connection has no goroutine, no timer and no buffer here.
//
// A front's part: Add (or Hold, for a held response), Open, tell the client what the [Admission] says, Opened, Deliver
// for each message, and Closed once when the socket has ended, for whatever reason. If the client has said its last
// word but still listens, Finish stands before Closed. The hub's part: TryWrite or Write, in order, then End once; or
// Abort.
//
// # Another host takes over
//
// All hubs of a host are handed to those of the next one at one instant. [Hub.Freeze] has nothing change: commits that
// have begun end, pumps submit nothing, what clients send waits, and all else is kept by the gate (gate.go) for later.
// A [Record] of each connection goes to the next host, whose hub makes it again ([Hub.Arrive]), and nobody sees that
// before all of them begin. Then [Departure.Hand] has this hub let go of them without a CLOSE, and ask its [Heir] from
// now on, in order, what its workers ask; or Thaw has it go on as if nothing had been.
//
// An event that this host's workers have at that moment they handle: what they ask for is carried out by the heir as
// the event's, and [Heir.Done] says that it may go on with the next one. So at each moment one hub decides about a
// connection. A client whose OPEN is under way is known to the heir at once; its socket follows when it is served.
// Connections that are about to end are not packed, and end here; so do those whose peers can't go, with 1012.
//
// # Locks
//
// In this order; whoever holds one may take those below it, and none above it:
//   - Hub.mu: who is there and who is with whom (each connection's seat), every change of a [state], the tallies, who
//     still has to go at a shutdown.
//   - Connection.mu: that connection's queues, counts and phases (phase.go). Never those of two connections at once.
//
// Of two hubs nobody holds locks at once.
//
// payload.mu, which guards the encoded forms of one broadcast, stands by itself: it is taken with neither of them
// held.
//
// The gate's mu stands below both, and is held for a look. Nobody waits to pass the gate; Freeze waits for those
// inside.
//
// No [Peer], no [Backend], no Ticket, no logger and no answered, reply or done is called with a lock held, so each may
// call the hub back. What is called with one: the repay of a lent message (Connection.mu), the of of [Hub.Shutdown]
// (Hub.mu) and [Encoding].Append (payload.mu), none of which may call the hub, nor wait. The writer's role and the
// pump's turn are no locks: they are phases, passed on under Connection.mu, and kept while a peer or a backend is
// called.
package hub

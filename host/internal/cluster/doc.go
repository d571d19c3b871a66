// Package cluster makes the hubs of several hosts one: what workers ask of groups, users and connections means those
// of all hosts. The hosts talk over core NATS of the engine that they share, and each keeps its own connections.
//
// [Realm] stands before a realm's hub, as the pools know it. Acts take effect in this host's hub first, as without a
// cluster; what is for connections of others is then told to those whom it may concern: a message to a group is one
// publication, on that group's subject, which those hosts hear that have members (their hubs say so: [hub.Watcher]).
// Questions go to all hosts, or to the one that has the connection, and their answers are put together.
//
// # What holds between hosts
//
// What one process tells arrives in its order. It is told once: a host that the engine can't reach at that moment does
// not hear of it. What a worker has been told of as done by a JOIN, or by a connection's opening, is known to the
// engine before anything that it says later. An answer is that of all hosts, or an error that names those that
// are silent; a host that has said nothing for [Lost] is not asked any more.
//
// # Who does what
//
// One goroutine, the speaker, writes: subscriptions, publications, questions, answers, in the order in which they were
// handed in. Nobody waits for it. Another one, the hearer, gets all that comes through one channel, and so in the
// order in which the engine has it, and hands it to the hubs, which don't wait either. Both end with [Room.Close].
//
// # Locks
//
// Room.mu guards realms, members and questions under way; wants.mu what is to be heard; speech.mu what is to be said.
// None is held while another one is taken, but wants.mu and speech.mu are taken with those of a hub held.
package cluster

// Package succession is how the connections of one host go to another one that takes over from it: of all its hubs at
// one instant. It joins package hub, which knows what of a connection has to go, package peer, which has the sockets,
// and a link between the two processes.
//
// What it promises:
//   - The heir has all connections or none. Until [Giver.Hand] the giver has them, and goes on as if nothing had been
//     if the heir fails; from then on the heir has them.
//   - No message is lost or doubled, either way, and they stay in order. Events that the giver's workers handle at
//     that moment are handled once, and what they ask for is in effect before the connection's next event.
//   - A connection that can't go along is closed by the giver with 1012: one over HTTP/2, and one of which the heir
//     has no listener, or no pool of its realm. One that is about to end does so with the giver.
//   - A connection whose socket is not served yet goes at once, and its socket when it is.
//   - Connections of HTTP that wait for a request are no hub's: they go by themselves, after Hand (Giver.Vacated).
//
// The giver: [Giver.Offer], which freezes the hubs, and has the heir say what it can take; then Hand, or Withdraw. The
// heir: a [Taker], which does what the giver says. Each has Handlers for the link, and is told of its end.
//
// After Hand, the giver's hubs ask the heir's, over the link and in order, for all that the giver's workers ask of
// them. Hosts that take over one after another, while the first still has events under way, pass such things on.
package succession

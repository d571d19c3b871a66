// Package channel keeps what is sent to some groups of a realm, so that a client that was away gets exactly what it
// missed, in order, or is told that this can't be known any more (SPEC.md §19). It stands between whoever commits and
// the hub ([hub.Channels]), and keeps messages in a stream of the engine's.
//
// # Order
//
// What is sent to such a group goes one way: a queue, from which one goroutine, Room.run, writes to the engine,
// waits for its word, and has the hub carry out what was committed, in the order of the stream. A client that comes
// back goes the same way: it joins its groups, and gets what stands in the stream after its position, in one commit of
// the hub's. So between what it reads and what it gets live there is no gap, and nothing twice. That much is read
// beforehand, for up to 16 clients at once, only makes that step short: in the queue it is completed.
//
// # Positions
//
// All groups of a realm share one stream, so that one position, a place in it and the time, is one in each of its
// groups: a client that says it has all up to there. Whether something after it is missing is known
//   - since each message tells which one of its group was before it, as far as this host knows;
//   - from what this host has sent since it began, of which it remembers the last one of each group;
//   - and otherwise from the time: what is younger than ttl can only have been pushed out by history newer ones.
//
// If none of these says that nothing is missing, the client is told that something may be. A position that is older
// than the stream, or than what the stream has in its place, is one of another stream that was there before.
package channel

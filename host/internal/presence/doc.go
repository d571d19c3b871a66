// Package presence tells who is in a group: the users that its connections are bound to, each once (SPEC.md §19.4). It
// hears of connections from the hub, as a [hub.Watcher], and has the hub tell clients.
//
// What it promises:
//   - A client that comes into such a group is told who is there, and then of each who comes and goes, so that it
//     knows at any time who is there as soon as what is on its way has come. What it is told twice changes nothing.
//   - Of a user with several connections in a group the others hear as of one.
//   - A user is there for a while, the group's [Linger], after its last connection left. Who comes back within that
//     time has never been away, and nobody hears of it.
//   - It keeps nobody waiting: what is to be told is told by a goroutine of its own, in order, while there is any.
//
// # Locks
//
// Room.mu is taken with that of the hub held, and nothing is called while it is, but [Linger].
package presence

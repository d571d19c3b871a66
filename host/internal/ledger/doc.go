// Package ledger has the CLOSE handled of connections whose host has died: another host of the cluster gives it to a
// worker of the pool of the same name, as attempt 2, with id, user, groups and session as they were last noted.
//
// Each process notes its connections in a stream of the engine, in memory, a message for each, whose last version is
// kept. It hears of them from the hubs ([hub.Watcher]), and writes what has changed each [Pace]. What is noted of a
// connection is removed when its CLOSE has been handled, or when another process has it: then the note is that one's.
// Noted are those alone whose pool handles CLOSE.
//
// Each process also gives a sign of life. One that has given none for [Silence] is declared dead, by whoever comes
// first, and that one takes its notes, one after the other.
//
// What it promises:
//   - Whoever removes a note, by its place in the stream, has the CLOSE handled; of several hosts one alone does. A
//     host that dies at that very moment leaves it undone.
//   - The sign of a process that was declared dead is refused from then on, so it learns of that. It closes what it
//     has noted without a CLOSE, for that is the other host's, and goes on under a new name.
//   - A host that can't give its own sign declares nobody dead, and waits for the whole of [Silence] once it can
//     again: where the engine was away, nobody could give one.
//   - It keeps nobody waiting. How much is noted at a time is bounded, and so is how much is under way of what a dead
//     host has left.
//
// # Who does what
//
// One goroutine, the keeper, notes and gives signs. Another one is there while there are notes of a dead host to be
// taken. Both end with [Room.Close].
//
// # Locks
//
// Room.mu is taken with that of a hub held, and nothing is called while it is.
package ledger

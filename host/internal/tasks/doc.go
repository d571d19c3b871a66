// Package tasks keeps work that is no request (SPEC.md §18): on disk, in the engine, until a worker has done it. A
// [Room] has the queues of a realm: workers push by acts and calls, and the workers of a queue's pool are handed what
// waits, as events of no connection.
//
// What it promises:
//
//   - What one commit pushes is written in one piece, on disk, before anything else of the commit takes effect; or
//     none of it is.
//   - A task that was pushed is run to its end at least once, or lies with the failed ones.
//   - Of an id a queue has one task that is neither done nor failed.
//   - Tasks of one key run one at a time. One that waits for its next attempt holds its key back, and what shares a
//     place with that.
//   - Where the engine is away, who pushes gets an error in bounded time, and what runs goes on: its end is told when
//     the engine is back, or it comes again.
//
// # In the engine
//
// A realm has one stream, tasks_REALM, of the kind whose messages go when they are acknowledged. Names are written as
// [engine.Token] has them. A message's body is the payload, as MessagePack. Its subject says what it is:
//
//	tasks.REALM.live.QUEUE.ID.ready.PLACE  a task that may begin, or is under way
//	tasks.REALM.live.QUEUE.ID.later.PLACE  one that may not yet: a schedule, whose target is the former
//	tasks.REALM.failed.QUEUE.ID            one that has failed
//	tasks.REALM.paused.QUEUE               the queue is paused
//
// PLACE is p0 to p9, by priority, or k0 to k15, by the hash of the key. Each place of a queue has a durable consumer,
// QUEUE_PLACE, made by whoever pushes to it first; those of keys have one message in flight. Two more, QUEUE_later and
// QUEUE_failed, are there to count, and nobody takes anything from them. A bell that is no message of the stream,
// tasks.REALM.bell.QUEUE, says that there is something new. What lies in the stream others may have written: it is
// checked as what a worker pushes, and what is no task for a worker lies with the failed ones.
package tasks

// Package fetch has the host make requests of its own, whose answers are those that clients get (SPEC.md §15). A
// [Room] stands before a pool as any [hub.Backend] does: where a worker's RESPONSE has fetch, the worker is done, and
// the answer comes from there, as fast as the client takes it, whatever becomes of the worker meanwhile.
//
// What it promises:
//
//   - Nothing is asked for that the terms of the worker's generation do not allow: URLs are compared by their parts in
//     canonical form (place.go), addresses when they are dialed (dial.go), and each redirect as the first URL was. No
//     proxy is asked, and nothing of the environment counts.
//   - A secret goes into its own field, and to its own places. It is in no log, no error and no FETCHED.
//   - Memory has bounds: requests at once, what each may keep, and all of that together.
//   - A fetch ends with its client, its time, or its length. What ends in the midst is never told as whole.
//   - FETCHED comes at least once for each fetch that was begun, as long as the host lives, unless two workers have
//     died with it; the log says so then.
//
// It knows neither clients nor workers, but by the calls of protocol.Sink.
package fetch

// Package loop waits for what happens to sockets and pipes: a few goroutines, each with an epoll set, in the place of
// one for each descriptor. It knows nobody who uses it.
//
// What a reader may rely on:
//   - A descriptor that nothing happens to costs an entry here; no goroutine, no buffer.
//   - No loop holds a thread while it waits.
//   - Whoever registers a descriptor removes the registration before closing it, and a Handler uses it only
//     after it has seen, under a lock of its own that both take, that it was not removed. So none is used after it was
//     given out anew. An event that was fetched before that names a number that no later registration has.
package loop

// Handler hears what happens to a descriptor.
type Handler interface {
	// Happened is called by the loop's goroutine, which must not wait: for a client, a worker or a disk. events are as
	// epoll_wait(2) has them. They are edges: each tells that something has changed since the one before. One that had
	// been fetched already may come once after Remove.
	Happened(events uint32)
}

// Package dial has the host make connections with other servers, which are kept as those of clients are (SPEC.md §16):
// WebSockets, TCP, and server-sent events. A [Room] has the dials of a realm, by their names.
//
// What it promises:
//
//   - However many workers ask for a name, there is one dial of it, and one connection of that at a time. The OPEN of
//     a connection comes after the CLOSE of the one before has been handled, and it has what that one had at its end.
//   - A dial that ends, or does not come to stand, is tried again after a pause that grows, unless it is not to; who
//     ended it makes no difference, but for dial.close.
//   - Nothing is dialed that the terms of the worker's generation, or the configuration, do not allow: URLs are
//     compared in canonical form, addresses when they are dialed, and each redirect as the first URL was. No proxy is
//     asked. A secret goes into its own field, and to its own places, and is in no log and no error.
//   - While a connection stands, nothing here waits: it has no goroutine, no timer and no buffer of this package's. A
//     try has one goroutine, and a pause one timer.
//
// # Locks
//
// Room.mu guards all dials and their phases, and is held for a look. Nobody is called with it held, neither the hub
// nor the log, and no lock is held where the hub calls the room.
package dial

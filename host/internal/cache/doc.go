// Package cache is a shared cache of HTTP (RFC 9111) before the pools that routes lead to. A [Room] stands before a
// pool as any [hub.Backend] does; all rooms of a host keep what they keep in one [Store], in memory, bounded in bytes.
//
// What it promises:
//
//   - Only what says so is stored, for as long as it says, and nothing that is one client's: no answer to
//     Authorization, none with Set-Cookie, none that is private, without a word that is meant for shared caches.
//   - An answer that broke off, or is longer or shorter than it says, is not stored, and nobody else gets any of it.
//   - Of many clients that ask for the same absent page one goes on to the pool, and the others wait for its answer;
//     a client that leaves does not end the others' wait. For what turns out not to be storable nobody waits again.
//   - What the pool can't answer now is answered with the page that is there, if it may be that stale.
//   - Memory has a bound, and so has what is asked for in the background.
//
// It knows neither clients nor workers, but by the calls of [protocol.Sink]: hits are told by whoever asks, and never
// wait. room.go is where a request comes in, flight.go how one goes for all, delivery.go how a stored answer is told;
// verdict.go says what may be stored (RFC 9111 §3), and fresh.go for how long (§4.2).
package cache

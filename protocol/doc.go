// Package protocol is the wire between a host and its workers: frames, messages, the handshake and flow control,
// for both ends. SPEC.md beside this file is the normative text; section numbers in comments refer to it.
//
// What a caller may rely on:
//
//   - Parsing and appending are functions over byte slices. No reader, goroutine or clock hides in them, so a
//     goroutine per worker, an event loop and a fuzzer can all drive them.
//   - No count or length from the wire allocates before it has been checked against the bytes at hand.
//   - [Conn] reads without ever waiting for its own writes, and its Send never blocks.
//   - [Exchange], [Sink] and [Stream] are how a front (HTTP, say) and a pool of workers meet without knowing each
//     other.
//
// The package knows no HTTP server and starts no process.
package protocol

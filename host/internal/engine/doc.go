// Package engine is where the host keeps what outlives its workers and is nobody's: NATS with JetStream. By default it
// runs in the host's own process, with its files in a folder; with a URL it is a NATS server, or a cluster of them,
// that stands elsewhere. What uses it (tasks, stores, locks, channels, several hosts as one) are rooms of their own,
// which talk NATS over [Engine.Conn] and [Engine.JetStream].
//
// Nothing starts before somebody asks for a connection. An engine that is away, slow or full costs whoever asks a
// clear error in bounded time ([ErrUnavailable], [Patience]), in next to none if it has been away for long, and nobody
// else anything.
//
// # One folder, several hosts
//
// A folder's files are open once. Whoever has its lock is the server, and lets other processes of the same user in by
// a unix socket in the folder; so during an upgrade the next host uses the engine of the one before until that one
// calls [Engine.Yield], and the one before uses the next one's from then on. If the server's process dies, the next
// one that tries to reach it takes its place. Connections come back by themselves; what was under way at that moment
// fails or waits, as the room decides that asked. What is kept in memory is lost with the server's process.
package engine

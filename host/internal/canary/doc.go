// Package canary tries new code on a share of the clients, and says from evidence whether it does worse than the old
// code does in the same minutes.
//
// Three backends take part. The stable one serves most clients, as ever. The candidate runs the new code. The control
// runs the old code on workers as fresh, and as many, as the candidate's: a worker that has just started is slower
// than one that has been warm for days, whatever its code. Candidate and control have the same share of the clients,
// drawn by lot.
//
//   - A [Splitter] stands before the stable backend. Without a canary it costs one load; with one it has each client
//     go to the same backend until the end, and a connection's events to that of its first.
//   - A [Trial] is one canary of one pool: who goes where (place.go), what becomes of it (sink.go), and what was seen
//     of it (watch.go).
//   - [Judge] weighs the [Evidence] (verdict.go). It is pure, and what it claims is held by simulation.
//
// The package knows no worker, no pool and no configuration. Whoever has the two pools tells a trial of their deaths
// and their memory, and decides what a judgement leads to.
//
// Trial.mu guards the evidence, a sink's mu its ticket; neither is held while anything else is called.
package canary

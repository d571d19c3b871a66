// Package shadow shows new code copies of what clients ask for, and compares its answers with those that the clients
// got, which were the old code's. Nobody gets an answer of the new code.
//
//   - A [Tap] stands before a pool. Without a shadow it costs one load; with one, a share of the safe requests is
//     listened to on its way (copy.go).
//   - A [Run] is one shadow of one pool. When a client has its whole answer, the run submits a copy of the request to
//     the candidate, and compares (compare.go). So no client ever waits for the shadow, and of what it holds at a time
//     there is a bound: a request that comes when that is reached is not copied.
//   - A [Refuser] is the hub of the candidate's workers: it answers what they ask, and carries nothing out.
//
// The package knows no worker, no pool and no configuration.
//
// Run.mu guards the report. It is not held while anything else is called.
package shadow

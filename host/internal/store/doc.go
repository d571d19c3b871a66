// Package store keeps values and locks for workers, over the engine (SPEC.md §17): what a worker puts there outlives
// it and is every other worker's of its realm.
//
// A store is a stream of JetStream with one message for each key, and a value's version is its place in that stream.
// What depends on what was there before (add, cas, increment) is published on condition that the key's last message is
// still that one, again and again if another host was faster; within this host those of one key go one after the
// other. Each change has an id, so that one whose confirmation was lost is not made twice.
//
// The engine removes by whole seconds what has had its time; a value says the millisecond, and is gone from then on.
// Locks go by the engine's seconds alone, so that the clocks of several hosts have no part in who holds one. A lock's
// token is the place of its first message in the stream of locks.
//
// Whoever waits for a lock sleeps until its holder's release is told on a subject of its own, or its time is up.
package store

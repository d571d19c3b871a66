// Package fork has a pool's workers forked from a template, one for each generation: a process that loads the code
// once and serves nobody. A worker then starts in moments, and shares the template's memory until it writes to it.
//
// A [Launcher] gives a pool its workers. The first one of a generation starts the template, which boots on that
// worker's link, so that whatever goes wrong is that worker's failed boot. Once it has booted it forks a worker each
// time that the pool wants one (protocol/SPEC.md §14). It forks twice and ends the one in between, so that the kernel
// gives the worker to this process, which waits for it as for any other: pid, exit, memory and processor time are the
// worker's own. It leads a process group, which the reaper knows before the worker goes on.
//
// If a template dies its workers live on, and the next one that the pool wants starts another template. One that has
// no worker any more ends a moment later.
//
// Locks: Launcher.mu, then template.mu. Nothing that waits is done under either.
//
//	launcher.go  the templates of a pool
//	template.go  one of them
//	worker.go    a worker, before it is a process and after
package fork

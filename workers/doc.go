// Package workers keeps a pool of worker processes that speak the worker protocol (protocol/SPEC.md), hands requests to them, and replaces them
// one at a time. It knows no HTTP, and can be embedded in any Go program.
//
//	pool, err := workers.New(workers.Settings{Name: "app", Command: []string{"php", "worker.php"}, Workers: 4})
//	err = pool.Start(ctx)               // boots the first generation
//	ticket := pool.Submit(exchange)     // see protocol.Exchange
//	roll := pool.Reload()               // replaces the workers; roll.Follow tells how it goes
//	pool.Stop(ctx)
//
// What a caller may rely on:
//
//   - Submit never waits. What comes of the exchange is told to its Sink.
//   - An exchange that no worker has begun is never lost to a worker's death; a repeatable one that had begun is tried once more.
//   - A worker gets no request before its READY, and none after its drain began.
//   - A new worker is READY before the old one begins to drain; the first that fails to boot, or dies
//     before it finished a request, ends the roll, and the old ones keep serving.
//   - [Pool.Stage] holds a reload once its first new worker is ready, and [Pool.Undo] leads back from one that has
//     completed, so that several pools change all together or not at all.
//   - Whatever ends a worker, another one is started in its slot. Where the number of workers is not fixed, slots come while requests wait and go when
//     their workers are idle, and no request fails because of it.
//   - No worker outlives the program, nor does a process that it started in its own process group, if a [Reaper] is given.
//
// # States
//
// A worker's states have the same names in code, logs, status and metrics:
//
//	           READY            request
//	starting ────────▶ idle ◀────────────▶ busy
//	   │                │       DONE        │
//	   │ FAILED, exit,  │ replaced, recycled, stop
//	   │ time-out       ▼                   ▼
//	   │             draining ◀─────────────┘  DRAIN
//	   │                │ end of input, TERM, KILL
//	   ▼                ▼
//	stopped ◀───────── (exit, from every state)
//
// A slot whose worker could not start, or died before it finished a request, is backing-off until its next attempt.
//
// # Who owns what
//
// One goroutine, Pool.run, owns the slots: which worker is in which, what is being replaced, what backs off. Others ask it with Pool.do.
// Handing out workers does not pass through it: the dispatcher's one short lock guards the idle list, the queue and every worker's count of
// requests. Each worker has a goroutine that reads its frames and calls the sinks, one that reads its stderr, and one that waits for its exit and
// is the last to touch it.
package workers

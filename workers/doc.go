// Package workers keeps a pool of worker processes that speak the worker protocol (protocol/SPEC.md), hands requests
// to them, and replaces them one at a time. It knows no HTTP, and can be embedded in any Go program;
// host/httppool makes an http.Handler of it.
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
//   - An exchange that no worker has begun is never lost to a worker's death; a repeatable one that had begun is tried
//     once more: by itself, in an extra worker, where the one that died had taken several at once (ward.go).
//   - A request that was answered with 101 is a tunnel from then on: it takes no room of its worker's, no time-out
//     counts for it, and it ends with the worker (tunnel.go).
//   - A worker gets no request before its READY, and none after its drain began.
//   - A new worker is READY before the old one begins to drain; the first that fails to boot, or dies
//     before it finished a request, ends the roll, and the old ones keep serving.
//   - [Pool.Stage] stops a reload once its first new worker is ready, and [Pool.Undo] leads back from one that has
//     completed, so that several pools change all together or not at all.
//   - [Pool.Revert] leads back to a generation that was live, where its release stands in a folder of its own. With
//     Settings.Park the workers that a reload replaces stay beside the new ones for a while, and none has to start.
//   - Whatever ends a worker, another one is started in its slot. Where the number of workers is not fixed, slots come
//     while requests wait and go when their workers are idle, and no request fails because of it.
//   - No worker outlives the program, nor does a process that it started in its own process group, if a [Reaper] is
//     given.
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
// With Settings.Park a worker that a reload replaces is draining without DRAIN, and then parked: it has nothing, gets
// nothing, and knows of nothing. A roll back makes it idle again; else it drains and stops as others do (park.go).
//
// A slot whose worker could not start, or died before it finished a request, is backing-off until its next attempt.
// The first worker of a generation boots alone (first.go); a slot that waits for it is starting, or backing-off, as
// it is.
//
// # Who owns what
//
// One goroutine, Pool.run, owns the slots: which worker is in which, what is being replaced, what backs off. Others
// ask it with Pool.do. Handing out workers does not pass through it: the dispatcher's one short lock guards the idle
// list, the queue and every worker's count of requests. Each worker has a goroutine that reads its frames and calls
// the sinks, one that reads its stderr, and one that waits for its exit and is the last to touch it, but for what the
// hub has yet to confirm: whoever does that calls the sinks of those exchanges, whether their worker lives or not
// (commit.go). What of a worker is whose, the struct says (worker.go).
//
// # Locks
//
// In this order; whoever holds one may take those below it, and none above it:
//   - attempt.calls: what a worker has said of an exchange, and whether the sink has heard the last of it. Held around
//     every call of the sink but Finished, so that they come one at a time.
//   - splitter.mu: the line and the entry at hand of what a worker prints, until the log has them. Never with calls.
//   - worker.mu: its link, which is the streams, their numbers, the phase and why it failed. Held while REQUEST and
//     DRAIN are sent, so that numbers only grow and none comes after DRAIN.
//   - inquiry.mu: who waits for a backtrace, and the profile at hand.
//   - attempt.mu: that stream's windows, its clock, its tenure and what was done about it. Held while its frames are
//     sent.
//   - dispatcher.mu: the queue, who has room, every worker's duty and every exchange's place. Never with worker.mu or
//     attempt.mu: what it decides is carried out once it is released, and counted until then.
//   - exchange.mu: which attempt is the latest, and whether it was cancelled.
//
// Under any of them, and with nothing taken under them: tail.mu (what a worker printed last), voice.mu (what it has
// yet to say, and how much it may), meter.mu (which generations are counted apart), Roll.mu (a reload's events).
// ledger.mu (a worker's calls) is taken with none of all these, and held while RESULT is sent; commits.mu (what it
// asked for and is not in effect) with none at all. The locks within [protocol.Conn] and internal/process come last,
// under any. Send and Cork of a Conn never wait; Flush and FlushTo do, and are called with no lock held.
//
// Two attempts' calls are held at once where a worker has died: each exchange that it had is settled under its calls,
// and what gets room by that is begun, or recalled from another worker, under its own as well, and takes no third. No
// circle comes of it, since what is picked for that is not being settled yet.
//
// Pool.run takes most of them, so nobody who holds one calls Pool.do. What is held for as long as a replacement takes
// are turns, and no locks: Pool.turn, then slot.turn. Whoever has them may ask run, which takes one only if it need
// not wait. So it is with inquiry.profiling, for as long as a profile takes.
//
// A sink is called with its calls held, Finished aside, and perhaps those of another one that is settled: it may use
// its Stream, and submit in Finished, but neither wait nor cancel itself. The log is called with calls or splitter.mu
// held at the most. The hub, and Prepare, Equip and Remedy of [Settings], are called with none, so each may call the
// pool back; Renew of [Equipment] is called by run, and may not.
package workers

// Package control is the host's control API: HTTP and JSON over a unix socket, for its owner and a group, and over
// TCP, for whoever has a token.
//
// Routes; an error is {"error": "…", "outcome": "…"} with a status of 4xx or 5xx, and the outcome's name as in
// outcome.go:
//
//	GET  /v1/status                          a Status
//	GET  /v1/version                         a Version
//	POST /v1/reload  {"pools": ["NAME", …]}  one Event a line, as it happens; the body is a Reload
//	POST /v1/try     {"pools": ["NAME", …]}  one Event a line: what a reload would do; nothing changes
//	POST /v1/rollback {"pools": ["NAME", …]} one Event a line, as of a reload; the body is a Rollback
//	POST /v1/abort   {}                      one Event a line: the story of the reload that it ends
//	POST /v1/promote {}                      one Event a line: the story of the reload whose canary it ends well
//	GET  /v1/releases                        a Release a line, the latest last: what went live when
//	GET  /v1/connections                     a Connection a line, oldest first; ?realm=, ?group=, ?uid=, ?protocol=
//	                                         choose
//	POST /v1/send    {"all": true, "bytes": "aGk="}   a Reached; the body is a Message
//	POST /v1/close   {"ids": ["ID"], "code": 1000}    a Reached; the body is a Closing
//	POST /v1/profile {"pool": "NAME", "kind": "cpu", "seconds": 10}   a Profile, once it is over; the body is a
//	                                         ProfileOrder. It ends with the connection
//	GET  /v1/cron                            an array of CronEntry
//	POST /v1/cron/run {"name": "NAME"}       a CronRun, once it is over; it goes on if the connection ends
//	POST /v1/service/restart {"name": "NAME"}   a Service, once its next process was started
//	POST /v1/stop    {"now": true}           an Event a line: stopping, stopped; the connection ends with the host
//
// What changes anything is noted, with who asked for it and the header Workerhost-Message, if there is one: why.
//
// By hand: curl --unix-socket PATH http://host/v1/status
//
// messages.go has what travels. Names are promised: they are added to, and never change their meaning. claim.go gives
// a socket one owner, admit.go says who may, audit.go who did, server.go answers, client.go asks, connections.go is
// about connections, beside.go about services and cron, releases.go about what went live, profile.go about profiles,
// account.go is a reload's story that many can follow.
package control

import (
	"time"

	"github.com/workerhost/workerhost/host/internal/rehearse"
)

// Version says which host answers.
type Version struct {
	Version string `json:"version"`
	Go      string `json:"go"`       // that built it
	Wire    int    `json:"protocol"` // version of the protocol that its workers speak
	PID     int    `json:"pid"`
}

// Status is the host at one moment.
type Status struct {
	Version  string  `json:"version"`
	Uptime   float64 `json:"uptime_seconds"`
	PID      int     `json:"pid"`
	Config   string  `json:"config,omitempty"` // the file that it was started with
	Stopping bool    `json:"stopping"`
	// Maintenance is what is in force; nil: nothing is
	Maintenance *Maintenance `json:"maintenance,omitempty"`
	Upgrades    int          `json:"upgrades,omitempty"` // that led to this host, one after the other
	Upgrade     *Upgraded    `json:"upgrade,omitempty"`  // the last of them
	Listen      []Listener   `json:"listeners"`
	Pools       []Pool       `json:"pools"`
	Services    []Service    `json:"services,omitempty"`

	// Certificates are those that the host gets by itself, but for those made on demand
	Certificates []Certificate `json:"certificates,omitempty"`

	Connections map[string]int `json:"connections"` // long-lived ones that are open, by protocol
	Dials       []Dial         `json:"dials,omitempty"`
	Channels    *Channels      `json:"channels,omitempty"` // without [channel] there are none
}

// Channels are the groups, of all realms together, of which messages are kept, or of which it is told who is there.
type Channels struct {
	Kept     *KeptMessages `json:"kept,omitempty"` // absent where the engine has not said it, or nothing of it has begun
	Returned int64         `json:"returned"`       // clients that came back and said where they had been
	Lost     int64         `json:"lost"`           // of those, who were told that something may be missing
	Failed   int64         `json:"failed"`         // commits whose messages could not be kept
	Rooms    int           `json:"rooms"`          // with presence, that a user is in
	Members  int           `json:"members"`        // of these
}

// KeptMessages is what is kept of them.
type KeptMessages struct {
	Channels uint64 `json:"channels"`
	Messages uint64 `json:"messages"`
}

// Dial is a connection that the host makes, and makes anew.
type Dial struct {
	Name       string  `json:"name"`
	Realm      string  `json:"realm,omitempty"` // "" where all are in the realm "default"
	Pool       string  `json:"pool"`
	URL        string  `json:"url"`        // without secrets
	Protocol   string  `json:"protocol"`   // websocket, tcp or sse
	Configured bool    `json:"configured"` // it is a [[dial]]; else a worker has asked for it
	State      string  `json:"state"`      // dialing, open, or waiting for the next try
	Connection string  `json:"connection,omitempty"`
	Reconnects int64   `json:"reconnects"`             // connections before the one that is open, or is to be
	Failures   int     `json:"failures,omitempty"`     // tries in a row
	Wait       float64 `json:"wait_seconds,omitempty"` // until the next try
	Error      string  `json:"error,omitempty"`        // of the last try
}

// Upgraded is an upgrade, as the host sees it that has taken over.
type Upgraded struct {
	Time     time.Time  `json:"time"`    // of the take-over
	Took     float64    `json:"took_ms"` // from the command until then
	PID      int        `json:"old_pid"`
	Version  string     `json:"old_version"`
	Finishes bool       `json:"old_finishes"` // that process is there still, as a host
	Moved    int        `json:"moved"`        // long-lived connections that went over
	Stayed   int        `json:"stayed"`       // and those that end with the old process
	Paused   float64    `json:"paused_ms"`    // how long those that moved were not served
	Guests   int        `json:"guests,omitempty"`
	Until    *time.Time `json:"guests_until,omitempty"` // when the last of those that go through an old process is closed
}

// Listener is an address that is served, or will be once its pool has a worker.
type Listener struct {
	Address  string `json:"address"`
	Protocol string `json:"protocol"`
	Pool     string `json:"pool"`
	TLS      bool   `json:"tls"`
	HTTP3    bool   `json:"http3,omitempty"` // at the same port over UDP
	Serving  bool   `json:"serving"`
	Problem  string `json:"problem,omitempty"` // why it turns its clients away, and what to do
	// Routes are those that take part of its requests, the most exact first. Pool is "" where nothing takes the rest
	Routes []Route `json:"routes,omitempty"`
}

// Certificate is one that the host gets and renews by itself.
type Certificate struct {
	Name    string `json:"name"`
	Until   string `json:"until,omitempty"`   // when it ends, by RFC 3339; "": there is none yet
	Problem string `json:"problem,omitempty"` // why it could not be had or renewed when that was last tried
}

// Route is a route of a listener.
type Route struct {
	Name     string `json:"name"`
	To       string `json:"to"`       // what it leads to, in words: "pool web"
	Requests uint64 `json:"requests"` // that it has taken since the host's start
}

// Pool is a pool of workers. Generation is the one that it is meant to run, 0 before its first; its workers may be on
// others during a reload, or after one that failed.
type Pool struct {
	Name       string    `json:"name"`
	Realm      string    `json:"realm,omitempty"` // "" where all are in the realm "default"
	Generation uint64    `json:"generation"`
	Queued     int       `json:"queued"`              // requests that wait for a worker
	Waiting    int       `json:"waiting,omitempty"`   // events of connections that do
	MinWorkers int       `json:"min_workers"`         // how few and how many there may be; the same where their number is fixed
	MaxWorkers int       `json:"max_workers"`         // likewise
	Directory  string    `json:"directory,omitempty"` // symlinks resolved
	Pinned     bool      `json:"pinned"`              // Directory was reached by a symlink, or the code was built
	Reloading  bool      `json:"reloading"`
	Progress   *Progress `json:"progress,omitempty"` // of the reload under way
	Failure    string    `json:"failure,omitempty"`  // why the last boot failed, if no worker became ready since
	LogDropped uint64    `json:"log_lines_dropped"`  // what workers said beyond log_rate
	Workers    []Worker  `json:"workers"`
	Canary     *Canary   `json:"canary,omitempty"`  // while new code is tried on a share of its clients
	Fetches    *Fetches  `json:"fetches,omitempty"` // of a pool that may fetch, or might since the host's start
	// Templates are the processes that its workers are forked from, with fork alone
	Templates []Template `json:"templates,omitempty"`
}

// Fetches are the requests that the host makes for a pool's workers.
type Fetches struct {
	UnderWay int               `json:"under_way"`
	AtOnce   int               `json:"at_once"`          // how many there may be; 0: the settings allow none any more
	Untold   int               `json:"untold,omitempty"` // that are over, and no worker has been told of yet
	Ends     map[string]uint64 `json:"ends"`             // those that are over, by how they ended: complete, left (the client) …
	Refused  map[string]uint64 `json:"refused"`          // those that never began, by why: not allowed, malformed, crowd
}

// Template is a process that a pool's workers are forked from, and that serves nobody itself.
type Template struct {
	PID        int    `json:"pid"`
	Generation uint64 `json:"generation"`
	Booting    bool   `json:"booting"`
	Workers    int    `json:"workers"`      // that it has forked or will, and that have not ended
	Memory     int64  `json:"memory_bytes"` // resident, of which its workers share what neither has changed
}

// Progress is how far a reload of a pool is.
type Progress struct {
	Generation uint64 `json:"generation"` // that it brings in; 0 while it is being prepared
	Replaced   int    `json:"replaced"`
	Workers    int    `json:"workers"`
}

// Worker is one process of a pool, or a slot that waits for one.
type Worker struct {
	Slot       int     `json:"slot"`
	PID        int     `json:"pid"`   // 0 while backing off, and while it waits to start
	State      string  `json:"state"` // starting, idle, busy, draining, parked, stopped or backing-off
	Generation uint64  `json:"generation"`
	Inflight   int     `json:"inflight"`
	Blocked    float64 `json:"blocked_seconds,omitempty"` // for how long one of its requests has held up all others
	Requests   uint64  `json:"requests"`
	Memory     int64   `json:"memory_bytes"` // resident, or its own if it was forked; 0 where it can't be known
	Uptime     float64 `json:"uptime_seconds"`
	Restarts   int     `json:"restarts"`
	Restarted  string  `json:"restarted,omitempty"` // why another one took its place last, such as "exited (exit status 255)"
	SDK        string  `json:"sdk,omitempty"`
	Parked     float64 `json:"parked_seconds_left,omitempty"` // until it ends, if it is parked and no roll back comes
	Warming    string  `json:"warming,omitempty"`             // while it is starting: the warm-up request that it answers, such as "GET /health"
	Children   []Child `json:"children,omitempty"`            // php-fpm's, as far as it told them in time
}

// Child is a process of a php-fpm. One has a request at a time.
type Child struct {
	PID      int     `json:"pid"`
	State    string  `json:"state"` // idle or busy; busy is also one whose request has its answer, and runs on
	Requests uint64  `json:"requests"`
	Memory   int64   `json:"memory_bytes"`                        // resident; 0 where it can't be known
	Peak     int64   `json:"last_request_memory_bytes,omitempty"` // what PHP took for its last request
	Uptime   float64 `json:"uptime_seconds"`
	Request  string  `json:"request,omitempty"`         // that it is at work for, without its query: "GET /path"
	Running  float64 `json:"running_seconds,omitempty"` // for how long
}

// Kind names an [Event].
type Kind string

// The kinds of [Event]. A reload tells of new pools first. Of several pools it then tells of begun and staged for
// each. Then come, for one pool after the other, begun if it has not come, a replaced for each worker, and completed
// or failed; after a failure what is put back, else the listeners' files and what else has changed; and summary at the
// very end.
const (
	ConfigFailed Kind = "config_failed" // the configuration can't be applied, and nothing was changed: Error
	// a setting took effect: Pool or Address if it is of one, Key, From and To unless secret, What
	Changed         Kind = "changed"
	ListenerAdded   Kind = "listener_added"   // Address, Pool, What
	ListenerRemoved Kind = "listener_removed" // Address, What, Cut
	PoolAdded       Kind = "pool_added"       // Pool, Workers, Took, What
	PoolRemoved     Kind = "pool_removed"     // Pool, What, Cut
	NeedsRestart    Kind = "needs_restart"    // as Changed, but it waits for a restart of the host
	Waits           Kind = "waits"            // as Changed, but it waits for a reload of all pools
	// What is allowed, and probably a mistake, such as a certificate that has expired
	Warned           Kind = "warned"
	Undone           Kind = "undone"            // a later step failed, so this one was taken back: What
	ListenerReloaded Kind = "listener_reloaded" // certificate and public folder of Address were read again
	ListenerFailed   Kind = "listener_failed"   // they could not be read, so that the old ones stay: Error
	Begun            Kind = "begun"             // Pool, Generation, Directory, Pinned, Workers
	// Pool, Generation, Slot, NewPID, Boot, Again: its first new worker is ready, and waits for those of the other
	// pools
	Staged Kind = "staged"
	// Pool, Gate, What: a command begins that the reload has to pass. GateOutput has a line of its output, and
	// GatePassed or GateFailed its end, with Took and Error
	GateBegun  Kind = "gate_begun"
	GateOutput Kind = "gate_output"
	GatePassed Kind = "gate_passed"
	GateFailed Kind = "gate_failed"
	// Pool, What: the reload waits before its next worker, and why; with Took, it goes on
	Paced    Kind = "paced"
	Replaced Kind = "replaced" // Pool, Generation, Slot, OldPID, NewPID, Boot, Drained, Cut, Again
	Restored Kind = "restored" // as Replaced: a worker was put back on the release before
	// Pool, Generation, Slot, OldPID, Drained, Cut: a worker that the settings have no more
	Removed   Kind = "removed"
	Completed Kind = "completed" // Pool, Generation, Workers, Took
	Skipped   Kind = "skipped"   // Pool: another one failed, so that it keeps the code that it has
	// as Completed: another pool failed, so that this one is on the release before again
	PutBack Kind = "put_back"
	// Pool, Error, Running, Workers: another pool failed, and why this one could not be put back
	Stays Kind = "stays"
	// Pool, Generation, Slot, Error, Workers, Replaced, Running, Took, and Outcome if it was aborted
	Failed Kind = "failed"
	// Pool, Generation, Directory, Workers, Canary, What: clients go to new code, and to fresh workers of the old
	CanaryBegun Kind = "canary_begun"
	CanaryStep  Kind = "canary_step" // Pool, Canary, What: more of them do
	// Pool, Canary, What: it is over; Outcome is done if the new code goes live
	CanaryJudged Kind = "canary_judged"
	// Pool, Generation, Directory, Workers, Shadow, What: new code is shown copies of requests
	ShadowBegun Kind = "shadow_begun"
	// Pool, Shadow, What: it is over; Outcome is done if no answer differs
	ShadowOver Kind = "shadow_over"
	// Pool, Rehearsal, What: old and new code were asked the same; Outcome is done if no answer differs
	Rehearsed Kind = "rehearsed"
	// of a roll back, at its end: What it has not undone
	Remains Kind = "remains"
	// Directory, What: the symlink of a deploy leads there, since that is live
	LinkMoved Kind = "link_moved"
	// of a deploy, by the command itself: Gate is the step (mend, take, share, build, before, persist, move, left,
	// prune, done), What it does
	DeployStep Kind = "deploy_step"
	// Pool: its workers stay, since the settings say that it is never reloaded
	Kept Kind = "kept"
	// Pool: the reload was aborted before it came to this one, or, without Pool, before it began
	Aborted     Kind = "aborted"
	WouldChange Kind = "would_change" // of a dry run: What, and as Changed
	// of a dry run: Pool, Directory, Pinned, NewPID, SDK, Boot, Memory, Output, Workers, Expected, Longest, Sessions,
	// Refused
	Tried     Kind = "tried"
	TryFailed Kind = "try_failed" // of a dry run: Pool, Error, Output
	// the end of a reload or of a dry run: Outcome, Pools, Took, and What came of it and is to be done, unless it is
	// done
	Summary Kind = "summary"
	// NewPID, What: a host that is to take over was started. UpgradeReady: its workers are, NewPID, Took. A summary
	// ends it, with NewPID if that host serves now
	UpgradeBegun Kind = "upgrade_begun"
	UpgradeReady Kind = "upgrade_ready"
	Stopping     Kind = "stopping" // the host stops; Inflight
	Stopped      Kind = "stopped"  // all workers have ended; Took
)

// Event is one line of the account of a reload or a stop. Kind says which fields count.
type Event struct {
	At         time.Time `json:"-"`
	Kind       Kind      `json:"event"`
	Address    string    `json:"address,omitempty"`
	Pool       string    `json:"pool,omitempty"`
	Generation uint64    `json:"generation,omitempty"`
	Slot       *int      `json:"slot,omitempty"`
	OldPID     int       `json:"old_pid,omitempty"` // absent if the slot was empty
	NewPID     int       `json:"new_pid,omitempty"`
	Boot       float64   `json:"boot_ms,omitempty"`
	Gate       string    `json:"gate,omitempty"`    // before or after
	Drained    int       `json:"drained,omitempty"` // requests that were in flight in the old worker and ended well
	Cut        []string  `json:"cut,omitempty"`     // those that were cut at drain_timeout: "GET /slow", or where, if their names are not known
	Parked     bool      `json:"parked,omitempty"`  // the new worker was parked, and did not have to start
	Again      string    `json:"again,omitempty"`   // what killed a first new worker from outside, so that one more was tried: "signal: killed"
	Directory  string    `json:"directory,omitempty"`
	Pinned     *bool     `json:"pinned,omitempty"` // false: the directory is edited in place
	Error      string    `json:"error,omitempty"`
	Workers    int       `json:"workers,omitempty"`  // in the pool
	Replaced   int       `json:"replaced,omitempty"` // of them, when it failed
	Running    []Running `json:"running,omitempty"`  // after a failure
	Inflight   int       `json:"inflight,omitempty"`
	Key        string    `json:"key,omitempty"`  // of the setting that changed: "workers"
	From       string    `json:"from,omitempty"` // as the file would have it
	To         string    `json:"to,omitempty"`
	What       string    `json:"what,omitempty"` // for people: "pool api: workers 4 → 8"
	SDK        string    `json:"sdk,omitempty"`
	Memory     int64     `json:"memory_bytes,omitempty"` // resident
	Output     string    `json:"output,omitempty"`       // what the worker printed, its end if that was much
	Expected   float64   `json:"expected_ms,omitempty"`  // that a reload takes, if old workers are idle
	Longest    float64   `json:"longest_ms,omitempty"`   // that it takes if each old worker needs all of drain_timeout
	Canary     *Canary   `json:"canary,omitempty"`
	Shadow     *Shadow   `json:"shadow,omitempty"`
	// Rehearsal is what was found
	Rehearsal *rehearse.Report `json:"rehearsal,omitempty"`
	Sessions  *Sessions        `json:"sessions,omitempty"`
	// Refused is what the worker of a dry run has asked for that changes something: SEND, SWAP …
	Refused map[string]int `json:"refused,omitempty"`
	Outcome Outcome        `json:"outcome,omitempty"`
	Pools   []PoolNow      `json:"pools,omitempty"`
	Took    float64        `json:"took_ms,omitempty"`
}

// Sessions are those of live connections that new code has tried its upgrade on.
type Sessions struct {
	Live     int             `json:"live"`     // that hold something, of the pool
	Sample   int             `json:"sample"`   // of them, that the new code was given
	Upgraded int             `json:"upgraded"` // of those: they were of an older version, and it went well
	Failed   []SessionFailed `json:"failed"`   // of those: it did not
}

// SessionFailed is a session that new code can't upgrade.
type SessionFailed struct {
	ID    string `json:"id"`   // the connection's
	From  int64  `json:"from"` // version
	Error string `json:"error"`
}

// PoolNow is what runs where at the end of a reload.
type PoolNow struct {
	Pool       string    `json:"pool"`
	Generation uint64    `json:"generation"` // that it is meant to run
	Directory  string    `json:"directory,omitempty"`
	Workers    int       `json:"workers"` // slots
	Running    []Running `json:"running"`
}

// Running says which workers serve with a generation. A slot that is in no Running has no worker that is ready.
type Running struct {
	Generation uint64 `json:"generation"`
	Slots      []int  `json:"slots"`
}

// Reload is what a reload, or a dry run of one, is asked for.
type Reload struct {
	Pools []string `json:"pools"`             // by name; none stands for all, and for the rest of the configuration
	Each  bool     `json:"each,omitempty"`    // each pool by itself: one that fails leaves those before it on the new code, instead of all or none
	Pace  float64  `json:"pace_ms,omitempty"` // longest wait before each worker but the first; 0 is what the settings say
	// Canary is what differs from the pools' own settings; nil is nothing
	Canary *CanaryAsk `json:"canary,omitempty"`
	// Shadow has new code only looked at, and nothing changed; nil is a reload
	Shadow *ShadowAsk `json:"shadow,omitempty"`
	// Proves is the id of a fault: nothing goes live unless its request, replayed, does not fail any more
	Proves string `json:"proves,omitempty"`
	// Deploy has pools take a release that their symlink does not lead to yet; nil is a reload
	Deploy *DeployAsk `json:"deploy,omitempty"`
	// Rehearse has old and new code asked the same first: nothing goes live if their answers differ
	Rehearse *RehearseAsk `json:"rehearse,omitempty"`
	By       By           `json:"-"` // who asks; the server knows
}

// DeployAsk is a release, and the symlink that is to lead to it once it is live. The pools are those whose folder lies
// behind the symlink.
type DeployAsk struct {
	Link   string `json:"link"`            // its absolute path
	Folder string `json:"folder"`          // in the folder releases beside it
	Again  bool   `json:"again,omitempty"` // it was live before, so no commands have to be passed
}

// Rollback is what a roll back is asked for.
type Rollback struct {
	Pools      []string `json:"pools"`                // by name; none stands for all that the last reload has changed
	Generation uint64   `json:"generation,omitempty"` // of one pool; 0 is the one before that which is live
	By         By       `json:"-"`                    // who asks; the server knows
}

// Upgrade says what the host is to be replaced by.
type Upgrade struct {
	Binary string `json:"binary,omitempty"` // the program's path; "": its own, as it is on disk now
	By     By     `json:"-"`                // who asks; the server knows
}

type stopRequest struct {
	Now bool `json:"now"`
}

// problem is the body of an answer that is no success.
type problem struct {
	Error   string  `json:"error"`
	Outcome Outcome `json:"outcome"`
}

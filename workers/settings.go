// What a pool is made from, and the defaults.

package workers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/protocol"
)

// Settings say what a pool runs and within which limits. Zero values stand for the defaults given here.
type Settings struct {
	Name string // in logs and HELLO; "default"

	// Generations counts the pool's generations, also those that failed; their numbers follow what it has. A pool that
	// takes the place of another one has that one's, so that no number comes back. Nil is from 1.
	Generations *atomic.Uint64

	// Command is the program and its arguments. A program without a slash is looked up in PATH.
	Command []string
	// Prepare, if given, makes the command instead, once for each generation: it may build something. dir is the
	// generation's resolved directory. An error fails the reload (or Start).
	Prepare func(ctx context.Context, dir string, generation uint64) (command []string, err error)
	// Launcher, if given, starts the workers instead, and Command may be empty; Stdio has no meaning.
	Launcher Launcher
	// Scarce says that a worker which takes several requests at once has something for each that is dear, such as a
	// process: then clients hold it no longer than its work takes, as they do with one request at a time.
	Scarce bool
	// Equip, if given, is asked after Prepare, once for each generation, for what its processes need besides its
	// command, whose first word is the path of the program. An error fails the reload (or Start).
	Equip func(dir string, command []string) (Equipment, error)
	// Directory is the workers' working directory. It may be a symlink: each generation resolves it once.
	Directory string
	// Release is where Directory leads in the generations that these settings bring, if its symlinks are to be moved
	// only once that serves; "" has them followed.
	Release string
	Env     []string // the whole environment, "NAME=value"; nil is the host's own
	Stdio   bool     // frames on standard input and output instead of descriptors 3 and 4

	// Pace, if given, is called before each worker that a reload replaces but the first, and may wait. ctx ends with
	// the reload. It is not asked on the way back to what ran before.
	Pace    func(ctx context.Context)
	Surge   int  // how many slots a reload may work on at once; 1
	InPlace bool // in a reload end the old worker of a slot before the new one starts: for what only one may hold

	// Park is for how long the workers that a reload replaces stay beside the new ones, without a request, for Revert
	// and Undo to come back to without a start; 0 ends them at once, as do InPlace and a release that can't be gone
	// back to. ParkWorkers is how many of them stay; 0 is all.
	Park        time.Duration
	ParkWorkers int

	Workers int // 2 per CPU, at least 4
	// Unsized says that Workers is a guess, as it is if it is not given: with a first worker that takes several
	// requests at once there is one for each processor at most, and one in all if it uses all of them (SPEC.md §3.5).
	Unsized bool
	// MaxWorkers, if given, has the pool grow from MinWorkers (1) as far as that while requests find no worker with
	// room, and shrink again, and Workers has no meaning.
	MinWorkers, MaxWorkers int
	IdleTimeout            time.Duration // after which a worker more than MinWorkers ends; 60 s
	// no worker more than MinWorkers starts if memory, in bytes, would pass this; 0 is none
	MaxPoolMemory int64

	Concurrency int // caps what READY states; 0 does not

	StartTimeout   time.Duration // from start to READY; 30 s
	RequestTimeout time.Duration // from lease to response head, then between signs of progress; 0 is none
	// a request that takes longer is logged, when it passes this and when it ends; 0 is none
	SlowRequest time.Duration
	// with where the code stands: the question cuts short a sleep, or a wait for several streams, in healthy code too
	SlowTrace    bool
	DrainTimeout time.Duration  // what requests in flight get when a worker is replaced; 30 s
	StopTimeout  time.Duration  // from DRAIN to TERM, and from TERM to KILL; 5 s
	QueueTimeout time.Duration  // how long a request waits for a worker, in all; 10 s
	Queue        int            // how many requests may wait; 1024. Negative: none
	Retry        protocol.Retry // for [protocol.Traits]; a front decides by it
	Priority     []string       // paths whose requests pass in front of the queue, and may wait when it is full

	// Remedy says what to do about a worker that did not boot, by its last words, and by whether it ended as a program
	// does that is done, before READY; "" is that it does not know. nil never does.
	Remedy func(said string, done bool) string
	// Greeting is asked about a worker that has not begun to speak the protocol a second after its start, or has ended
	// without; "" is that nothing is asked in the first case.
	Greeting string
	// Untraced is said of a hung worker that gives no backtraces, and of one that gives no profile: why, and what to
	// do about that. The default has a worker in mind that speaks the protocol itself.
	Untraced string

	// Measure names the routes whose service times are counted apart: the canonical path of a URL, or, with /* at its
	// end, all paths below it. The path itself wins, and then the longest.
	Measure []string

	// A worker that has reached one of these is replaced once it is between two requests; 0 is without the limit.
	// Requests and age vary by a tenth from worker to worker.
	MaxRequests int
	MaxAge      time.Duration
	MaxMemory   int64 // resident, in bytes; where it can't be known it has no effect
	// MaxMemoryHard is the size at which a worker is ended in the middle of a request.
	MaxMemoryHard int64

	// LogRate is how much one worker may put into the log, in bytes a second, and eight times that at once; what is
	// more is dropped and counted. 1 MiB; negative is without a bound.
	LogRate int64

	// Warmup are requests that a new worker has to answer, within StartTimeout, before it gets any other.
	Warmup []Warmup
	// Checks are more of them for the first worker that a reload, or a trial, brings: new code that answers otherwise
	// does not go live.
	Checks []Warmup

	// Recent, if given, is asked when a worker starts, and must not wait: these are asked for after Warmup and Checks,
	// whatever the status, as long as half of StartTimeout has not passed.
	Recent func() []*protocol.Request
	// Observe, if given, gets each exchange before it is submitted, and gives the one to submit: x itself, or a copy
	// with another Sink. It is safe for concurrent use.
	Observe func(x *protocol.Exchange) *protocol.Exchange

	// Hub keeps the connections that workers act on. Without one their acts are dropped, and their calls get an error.
	Hub protocol.Hub
	// Delivery says what becomes of an event whose worker died; [AtLeastOnce]. It reaches fronts through
	// [protocol.Traits].
	Delivery Delivery

	StreamBody bool     // hand requests over before their body is whole, as is done for workers of many
	WholeBody  bool     // hand them over when it is whole to those as well
	FileRoots  []string // folders that workers may have files served from; default: the generation's directory

	// Terms are what whoever submits wants to know again of a generation: the Stream's Terms gives them.
	Terms any
	// Features are what HELLO says of the host (SPEC.md §3.2).
	Features []string

	Dev    bool   // error pages may show traces
	Host   string // name and version for HELLO
	Logger hclog.Logger
	Reaper *Reaper // kills what is left when this program dies; see [StartReaper]

	launch launchFunc // how a process is started; the tests have their own
}

// wholeBody says whether workers get a request when its body is whole: single ones unless it is to be streamed.
func (s *Settings) wholeBody(single bool) bool { return s.WholeBody || single && !s.StreamBody }

// DefaultWorkers is the number of workers when none is given: PHP waits for databases, so there are more than
// processors.
func DefaultWorkers() int { return max(4, 2*runtime.GOMAXPROCS(0)) }

func (s Settings) withDefaults() (Settings, error) {
	if len(s.Command) == 0 && s.Prepare == nil && s.Launcher == nil {
		return s, errors.New("workers: neither Command nor Prepare nor Launcher is set: a pool needs something to run")
	}
	if s.Delivery != "" && s.Delivery != AtLeastOnce && s.Delivery != AtMostOnce {
		return s, fmt.Errorf("workers: Delivery is %q: it is %q or %q", s.Delivery, AtLeastOnce, AtMostOnce)
	}
	setDefault(&s.Delivery, AtLeastOnce)
	if s.Name == "" {
		s.Name = "default"
	}
	if s.Generations == nil {
		s.Generations = new(atomic.Uint64)
	}
	if s.Directory == "" {
		dir, err := os.Getwd()
		if err != nil {
			return s, err
		}
		s.Directory = dir
	}
	if s.Workers == 0 {
		s.Workers, s.Unsized = DefaultWorkers(), true
	}
	if s.MaxWorkers > 0 {
		setDefault(&s.MinWorkers, 1)
		if s.MinWorkers < 1 || s.MinWorkers > s.MaxWorkers {
			return s, fmt.Errorf("workers: MinWorkers is %d, and has to be from 1 to MaxWorkers, %d", s.MinWorkers,
				s.MaxWorkers)
		}
	} else if s.MinWorkers != 0 {
		return s, errors.New(
			"workers: MinWorkers is given without MaxWorkers: give both, or Workers for a fixed number")
	}
	setDefault(&s.IdleTimeout, time.Minute)
	setDefault(&s.Surge, 1)
	setDefault(&s.StartTimeout, 30*time.Second)
	setDefault(&s.DrainTimeout, 30*time.Second)
	setDefault(&s.StopTimeout, 5*time.Second)
	setDefault(&s.QueueTimeout, 10*time.Second)
	setDefault(&s.Queue, 1024)
	setDefault(&s.LogRate, 1<<20)
	setDefault(&s.Untraced, untraced)
	if s.Host == "" {
		s.Host = "workerhost"
	}
	if s.Logger == nil {
		s.Logger = hclog.NewNullLogger()
	}
	if s.launch == nil {
		s.launch = launchProcess
	}
	return s, nil
}

func setDefault[T comparable](v *T, otherwise T) {
	var zero T
	if *v == zero {
		*v = otherwise
	}
}

// hello is what a worker of generation g in the slot is told.
func (s *Settings) hello(g *generation, slot int) *protocol.Hello {
	m := &protocol.Hello{
		Versions: []int{protocol.Version}, Pool: s.Name, Generation: g.number, Slot: slot,
		MaxFrame: protocol.MaxFrame, Window: protocol.DefaultWindow, Host: s.Host, Dev: s.Dev,
		Limits: protocol.Limits(), Features: slices.Clone(s.Features),
	}
	if g.trial {
		m.Features = append(m.Features, protocol.FeatureTrial)
	}
	return m
}

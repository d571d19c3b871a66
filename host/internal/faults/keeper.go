// keeper.go: the faults that are kept, and their kinds.

package faults

import (
	"cmp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	mostBytes = 16 << 20 // of all that is kept
	mostKinds = 500      // that are told apart
)

// Settings say what is kept.
type Settings struct {
	Keep   int  // faults, at most; 0 is off
	Bodies bool // with the first bytes of requests' bodies and of messages
}

// Fault is an exchange that failed. It never changes.
type Fault struct {
	ID         string // of the fault, in this host
	Pool       string
	Time       time.Time // when it was over
	Took       time.Duration
	Generation uint64 // of the worker that had it last; 0: none had it
	Worker     int    // its slot
	What       string // "status 500", "worker died", "request timeout", …
	Message    string // what the worker logged of it, the first error; or the host, of its failure
	Place      string // where in the code, if Message says so
	Trace      string
	Log        []string // the errors that the worker logged after that
	Name       string   // "GET /path", "MESSAGE of websocket"
	RequestID  string   // or the connection's id, of an event
	Request    *Request // nil: it is an event
	Body       []byte   // of the request or the message, its beginning; nil unless bodies are kept
	Length     int64    // of the whole body, as far as it came

	kind kind
}

// Request is what is kept of a request's head.
type Request struct {
	Method, Target, Version, Scheme, Host, Remote string
	Headers                                       []string // name, value, name, value, …
	Form                                          bool     // its body was taken apart as a form, and is not kept
}

// size is about how many bytes a fault takes.
func (f *Fault) size() int {
	n := 512 + len(f.Message) + len(f.Trace) + len(f.Name) + len(f.Body)
	for _, line := range f.Log {
		n += len(line)
	}
	if f.Request != nil {
		for _, text := range f.Request.Headers {
			n += len(text) + 16
		}
		n += 2 * len(f.Request.Target)
	}
	return n
}

// kind is what faults have in common that are one to a person.
type kind struct{ pool, what, text string }

// Kind is all faults of one kind that there were.
type Kind struct {
	Pool, What, Message, Place string // of the latest
	Count                      int
	First, Last                time.Time
	FirstGeneration            uint64
	New                        bool     // none was seen of it before FirstGeneration, though older code was watched
	IDs                        []string // of those that are kept, the latest first
}

// Keeper keeps faults. Its methods are safe for concurrent use.
type Keeper struct {
	settings atomic.Pointer[Settings] // nil: off

	mu sync.Mutex
	// guarded by mu
	kept    []*Fault // the oldest first
	bytes   int
	last    uint64 // the latest id
	kinds   map[kind]*Kind
	watched map[string]uint64 // of each pool, the first generation that was listened to
	dropped int               // kinds that were forgotten for others
}

// NewKeeper makes one that keeps nothing yet.
func NewKeeper() *Keeper { return &Keeper{kinds: map[kind]*Kind{}, watched: map[string]uint64{}} }

// Set has it keep what s says from now on. With Keep 0 all that it has is forgotten.
func (k *Keeper) Set(s Settings) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s.Keep <= 0 {
		k.settings.Store(nil)
		k.kept, k.bytes = nil, 0
		clear(k.kinds)
		clear(k.watched)
		return
	}
	k.settings.Store(&s)
	k.trim(s.Keep)
}

// On says whether anything is kept.
func (k *Keeper) On() bool { return k.settings.Load() != nil }

// saw notes which generation of a pool was listened to.
func (k *Keeper) saw(pool string, generation uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if first, seen := k.watched[pool]; !seen || generation < first {
		k.watched[pool] = generation
	}
}

// keep takes a fault over, and gives it its id.
func (k *Keeper) keep(f *Fault) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.settings.Load()
	if s == nil {
		return
	}
	k.last++
	f.kind = kindOf(f)
	f.ID = "f" + strconv.FormatUint(k.last, 10)
	k.kept = append(k.kept, f)
	k.bytes += f.size()
	k.trim(s.Keep)
	of := k.kinds[f.kind]
	if of == nil {
		if len(k.kinds) == mostKinds {
			k.forget()
		}
		of = &Kind{Pool: f.Pool, First: f.Time, FirstGeneration: f.Generation}
		k.kinds[f.kind] = of
	}
	of.What, of.Message, of.Place, of.Last = f.What, f.Message, f.Place, f.Time
	of.Count++
	if f.Generation > 0 && (of.FirstGeneration == 0 || f.Generation < of.FirstGeneration) {
		of.FirstGeneration = f.Generation
	}
}

// forget drops the kind that has been away for longest. Under mu.
func (k *Keeper) forget() {
	var oldest kind
	var last time.Time
	for key, of := range k.kinds {
		if last.IsZero() || of.Last.Before(last) {
			oldest, last = key, of.Last
		}
	}
	delete(k.kinds, oldest)
	k.dropped++
}

// trim drops faults until all are within the bounds: the oldest of the kind that most are kept of, so that a frequent
// one leaves room for those that are rare. Under mu.
func (k *Keeper) trim(most int) {
	for len(k.kept) > most || k.bytes > mostBytes && len(k.kept) > 1 {
		counts := map[kind]int{}
		for _, f := range k.kept {
			counts[f.kind]++
		}
		at, most := 0, 0
		for i, f := range slices.Backward(k.kept) {
			if n := counts[f.kind]; n >= most { // of as many, and of one kind: the oldest
				at, most = i, n
			}
		}
		k.bytes -= k.kept[at].size()
		k.kept = slices.Delete(k.kept, at, at+1)
	}
}

// Kinds are all kinds of faults of a pool, or of all pools for "", those that came last first. The list is the
// caller's. forgotten is how many kinds were dropped for newer ones.
func (k *Keeper) Kinds(pool string) (all []Kind, forgotten int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	ids := map[kind][]string{}
	for _, f := range slices.Backward(k.kept) {
		ids[f.kind] = append(ids[f.kind], f.ID)
	}
	for key, of := range k.kinds {
		if pool != "" && of.Pool != pool {
			continue
		}
		one := *of
		one.IDs = ids[key]
		one.New = one.FirstGeneration > k.watched[of.Pool]
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b Kind) int {
		return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.Message, b.Message))
	})
	return all, k.dropped
}

// Get is a fault that is kept, or nil.
func (k *Keeper) Get(id string) *Fault {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, f := range k.kept {
		if f.ID == id {
			return f
		}
	}
	return nil
}

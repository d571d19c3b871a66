// What has the host keep locks for workers: the CALLs of SPEC.md §17.3.

package protocol

import "fmt"

// The methods of locks (SPEC.md §17.3).
const (
	CallLockAcquire = "lock.acquire"
	CallLockRenew   = "lock.renew"
	CallLockRelease = "lock.release"
)

// Where locks, and the values of stores, are kept (SPEC.md §17).
const (
	KindDisk   = "disk"
	KindMemory = "memory"
)

// LockCall is what a CALL asks of a lock. Times are in milliseconds.
type LockCall struct {
	Method string
	Name   string
	Token  int64  // of lock.renew and lock.release
	TTL    int64  // of lock.acquire and lock.renew
	Wait   int64  // of lock.acquire: how long, if somebody else has it
	Kind   string // KindDisk or KindMemory
	Keep   bool   // of lock.acquire: it outlives the worker
}

// IsLockMethod says whether the method is one of a lock's.
func IsLockMethod(method string) bool {
	return method == CallLockAcquire || method == CallLockRenew || method == CallLockRelease
}

// ParseLock reads the arguments of a lock's method. An error says what is wrong with them, for whoever asked.
func ParseLock(method string, given []Value) (LockCall, error) {
	c := LockCall{Method: method, Kind: KindDisk}
	a := arguments{method: method, left: given}
	takes := "a name, a token and perhaps a kind"
	switch method {
	case CallLockAcquire:
		takes = "a name, a time to live, and perhaps how long to wait, a kind, and whether to keep it"
	case CallLockRenew:
		takes = "a name, a token, a time to live and perhaps a kind"
	}
	wrong := func() error { return fmt.Errorf("%s takes %s; got %d arguments", method, takes, len(given)) }
	if len(given) < 2 || method == CallLockRenew && len(given) < 3 {
		return c, wrong()
	}
	c.Name = a.key()
	if method != CallLockAcquire {
		c.Token = a.number(1, maxLong)
	}
	if method != CallLockRelease {
		c.TTL = a.number(1, mostTTL)
	}
	if method == CallLockAcquire && a.more() {
		c.Wait = a.number(0, mostTTL)
	}
	if a.more() {
		if c.Kind = a.str(0, 16); a.err == nil && c.Kind != KindDisk && c.Kind != KindMemory {
			return c, fmt.Errorf("there is no kind %q of locks: it is %s or %s", c.Kind, KindDisk, KindMemory)
		}
	}
	if method == CallLockAcquire && a.more() {
		c.Keep = a.bool()
	}
	if a.err == nil && len(a.left) > 0 {
		a.err = wrong()
	}
	return c, a.err
}

// Arguments are those of the CALL that asks for c.
func (c *LockCall) Arguments() []Value {
	a := written{}
	a.str(c.Name)
	if c.Method != CallLockAcquire {
		a.number(c.Token)
	}
	if c.Method != CallLockRelease {
		a.number(c.TTL)
	}
	if c.Method == CallLockAcquire {
		a.number(c.Wait)
	}
	a.str(c.Kind)
	if c.Method == CallLockAcquire {
		a.all = append(a.all, appendBool(nil, c.Keep))
	}
	return a.all
}

// Calls: what a worker asks the host and waits for (SPEC.md §10.4).

package protocol

import "strconv"

// Call is CALL: a question.
type Call struct {
	Stream    uint32 // even
	Method    string
	Arguments []Value
	Timeout   int64 // after how many milliseconds the host gives it up; 0: as the method has it
}

// Swap is SWAP: it changes a session if nobody else has.
type Swap struct {
	Stream     uint32 // even
	Connection string
	Version    int64 // of the session that the change builds on
	Set        []Entry
	Unset      []string
}

// Result is RESULT: the answer to a [Call] or a [Swap], or a piece of it.
type Result struct {
	Stream uint32
	Error  string // "" if all is well
	Value  Value
	Code   CallCode // of the error
	More   bool     // Value is a list, a str or a bin, and goes on in the stream's next RESULT; see [Joined]
}

// CallCode says of which kind a RESULT's error is. Those below 100 come again if the same is asked again; from 100 on
// nothing was done, and a retry is safe; from 200 on it is not known what was done.
type CallCode int

// The codes of RESULT (SPEC.md §10.4). Others may come, and their range says what they mean.
const (
	CallUnimplemented    CallCode = 1   // there is no such method here
	CallInvalidArgument  CallCode = 2   // the method does not take these arguments
	CallNotFound         CallCode = 3   // what it is about is not there
	CallPermissionDenied CallCode = 4   // this worker must not ask for it
	CallTooLarge         CallCode = 5   // the answer, or what it was to make of something, is beyond a limit
	CallUnavailable      CallCode = 100 // not now
	CallExhausted        CallCode = 101 // what it would be kept in is full
	CallDeadlineExceeded CallCode = 200 // the call's time was up
	CallCancelled        CallCode = 201 // the worker gave it up
	CallInternal         CallCode = 202 // the method failed
)

var callCodeNames = map[CallCode]string{
	CallUnimplemented: "UNIMPLEMENTED", CallInvalidArgument: "INVALID_ARGUMENT", CallNotFound: "NOT_FOUND",
	CallPermissionDenied: "PERMISSION_DENIED", CallTooLarge: "TOO_LARGE", CallUnavailable: "UNAVAILABLE",
	CallDeadlineExceeded: "DEADLINE_EXCEEDED", CallCancelled: "CANCELLED", CallInternal: "INTERNAL",
}

// String gives the code's name in SPEC.md §10.4, or "code N".
func (c CallCode) String() string {
	if s, ok := callCodeNames[c]; ok {
		return s
	}
	return "code " + strconv.Itoa(int(c))
}

// MaxCalls is how many calls a worker may have unanswered (SPEC.md §10.5).
const MaxCalls = 64

// FeaturePieces is the feature of a READY whose worker puts the pieces of a RESULT together.
const FeaturePieces = "pieces"

// Features, and methods, of new code that is tried (SPEC.md §9.9).
const (
	FeatureTrial   = "trial"   // of a HELLO: the worker is on trial
	FeatureUpgrade = "upgrade" // of a READY: then it tries its upgrade on sessions that are live
	CallSessions   = "trial.sessions"
	CallUpgraded   = "trial.upgraded"
)

// Type implements [Message].
func (*Call) Type() Type { return TypeCall }

// Type implements [Message].
func (*Swap) Type() Type { return TypeSwap }

// Type implements [Message].
func (*Result) Type() Type { return TypeResult }

// AppendFrame implements [Message].
func (m *Call) AppendFrame(b []byte) []byte {
	start := len(b)
	b = appendStr(begin(b, TypeCall, m.Stream), m.Method)
	t := tail{&shapes[TypeCall], 3}
	if len(m.Arguments) > 0 {
		b = appendArray(t.upTo(b, 3), len(m.Arguments))
		for _, v := range m.Arguments {
			b = appendValue(b, v)
		}
	}
	if m.Timeout > 0 {
		b = appendInt(t.upTo(b, 4), m.Timeout)
	}
	return t.endFrame(b, start)
}

// Parse reads a CALL's payload. Errors are [*LinkError].
func (m *Call) Parse(payload []byte) error {
	f := open(payload, TypeCall)
	*m = Call{Stream: f.stream}
	m.Method = f.at("method").str()
	m.Arguments = f.at("arguments").values()
	m.Timeout = f.at("timeout").long()
	return f.end()
}

// AppendFrame implements [Message].
func (m *Swap) AppendFrame(b []byte) []byte {
	start := len(b)
	b = appendStr(begin(b, TypeSwap, m.Stream), m.Connection)
	b = appendInt(b, m.Version)
	b = AppendEntries(b, m.Set)
	t := tail{&shapes[TypeSwap], 5}
	if len(m.Unset) > 0 {
		b = appendPairs(t.upTo(b, 5), m.Unset)
	}
	return t.endFrame(b, start)
}

// Parse reads a SWAP's payload. Errors are [*LinkError].
func (m *Swap) Parse(payload []byte) error {
	f := open(payload, TypeSwap)
	*m = Swap{Stream: f.stream}
	m.Connection = f.at("connection").str()
	m.Version = f.at("version").long()
	m.Set = f.at("set").entries()
	m.Unset = f.at("unset").strings(nil)
	return f.end()
}

// AppendFrame implements [Message].
func (m *Result) AppendFrame(b []byte) []byte {
	start := len(b)
	b = appendStr(begin(b, TypeResult, m.Stream), m.Error)
	t := tail{&shapes[TypeResult], 3}
	if len(m.Value) > 0 {
		b = appendValue(t.upTo(b, 3), m.Value)
	}
	if m.Code != 0 {
		b = appendInt(t.upTo(b, 4), int64(m.Code))
	}
	if m.More {
		b = appendBool(t.upTo(b, 5), m.More)
	}
	return t.endFrame(b, start)
}

// Parse reads a RESULT's payload. Errors are [*LinkError].
func (m *Result) Parse(payload []byte) error {
	f := open(payload, TypeResult)
	*m = Result{Stream: f.stream}
	m.Error = f.at("error").str()
	m.Value = f.at("value").value()
	m.Code = CallCode(f.at("code").uint())
	at := f.at("more").pos
	if m.More = f.bool(); m.More && (m.Error != "" || !joinable(m.Value)) {
		f.fail(at, "more only of a list, a str or a bin", "it with another value, or with an error")
	}
	return f.end()
}

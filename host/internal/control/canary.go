// canary.go has what travels about a canary: what it is asked for, and what was seen of it.

package control

// CanaryAsk is how new code is to be tried, where that differs from the settings of the pools. What is absent is as
// they say.
type CanaryAsk struct {
	Off       bool      `json:"off,omitempty"`             // put new code live without one
	Share     []float64 `json:"share_percent,omitempty"`   // of the clients, one step after the other
	For       float64   `json:"for_seconds,omitempty"`     // each step
	AtMost    float64   `json:"at_most_seconds,omitempty"` // all of it
	MaxErrors *float64  `json:"max_errors_percent,omitempty"`
	MaxSlower float64   `json:"max_slower,omitempty"` // a factor
	MaxGrowth int64     `json:"max_growth_bytes,omitempty"`
}

// Canary is new code that is tried on a share of a pool's clients, beside fresh workers of the old code.
type Canary struct {
	Share      float64         `json:"share_percent"` // of the clients that go to new code, and that go to the control
	Step       int             `json:"step"`          // from 1
	Steps      int             `json:"steps"`
	Running    float64         `json:"running_seconds"`
	For        float64         `json:"for_seconds"`
	AtMost     float64         `json:"at_most_seconds"`
	Workers    int             `json:"workers"` // of new code, and as many of the control
	Candidate  CanarySide      `json:"candidate"`
	Control    CanarySide      `json:"control"`
	Measures   []CanaryMeasure `json:"measures"`
	Enough     bool            `json:"enough"`                     // there is enough evidence to say that new code does well
	Worse      string          `json:"worse,omitempty"`            // why new code does worse
	FailedOver []CanaryPoint   `json:"failed_over_time,omitempty"` // share of the requests, in percent
	PaceOver   []CanaryPoint   `json:"service_ms_over_time,omitempty"`
}

// CanarySide is what was seen of new code, or of the control.
type CanarySide struct {
	Generation uint64   `json:"generation"`
	Directory  string   `json:"directory"`
	Clients    int      `json:"clients"`
	Requests   int      `json:"requests"` // and events
	Failed     int      `json:"failed"`
	Logged     int      `json:"logged"`     // requests of which the worker has logged an error
	Typical    float64  `json:"service_ms"` // the geometric mean
	Growth     float64  `json:"growth_bytes_per_request"`
	Deaths     []string `json:"deaths,omitempty"`  // of workers, without a cause outside: why
	Workers    []Worker `json:"workers,omitempty"` // in a status alone
}

// CanaryMeasure is one thing in which the two are compared.
type CanaryMeasure struct {
	Name      string  `json:"name"` // failed, logged (percent), service_time (ms) or growth (bytes per request)
	Control   float64 `json:"control"`
	Candidate float64 `json:"candidate"`
	Limit     float64 `json:"limit"`  // what Candidate may be at most
	Chance    float64 `json:"chance"` // how often chance alone would do as much as was seen
	Worse     bool    `json:"worse,omitempty"`
	Doubtful  bool    `json:"doubtful,omitempty"` // it is beyond Limit, and may be by chance
}

// CanaryPoint is a moment of the two.
type CanaryPoint struct {
	Control   float64 `json:"control"`
	Candidate float64 `json:"candidate"`
}

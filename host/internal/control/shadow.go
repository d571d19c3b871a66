// shadow.go: what a reload is asked for whose new code is only shown copies of requests, and what came of it.

package control

// ShadowAsk says what new code is shown, in place of going live.
type ShadowAsk struct {
	Share    float64  `json:"share_percent"`         // of the safe requests
	For      float64  `json:"for_seconds,omitempty"` // 0 is two minutes
	Requests int      `json:"requests,omitempty"`    // after which it ends sooner
	Ignore   []string `json:"ignore,omitempty"`      // regular expressions (RE2): what they match is not compared
}

// Shadow is new code that was shown copies of a pool's requests, and how its answers compare with those that clients
// got of the old.
type Shadow struct {
	Share      float64    `json:"share_percent"`
	Workers    int        `json:"workers"` // of new code
	Generation uint64     `json:"generation"`
	Directory  string     `json:"directory"`
	Drawn      int        `json:"drawn"`    // requests that were to be copied
	Compared   int        `json:"compared"` // answers
	Differ     int        `json:"differ"`   // of them
	Large      int        `json:"large"`    // of those compared: bodies of more than 256 KiB, of which only the length was
	Old        ShadowSide `json:"old"`
	New        ShadowSide `json:"new"`
	// By is in what they differ first: status, form (whole, a file, held or a stream), type, location, length or body
	By map[string]int `json:"differ_by"`
	// Acting is the copies in which new code asked for something that changes something
	Acting  int            `json:"acting"`
	Refused map[string]int `json:"refused"`  // what that was, also outside of requests: SEND, JOIN, SWAP …
	LeftOut map[string]int `json:"left_out"` // requests, by why: body, busy, held, stream or unanswered
	// Examples are of differences; secrets in them are masked by their names
	Examples []ShadowExample `json:"examples,omitempty"`
}

// ShadowSide is what one of the two codes has answered.
type ShadowSide struct {
	Statuses map[string]int `json:"statuses"` // 2xx and so on, and none: no answer
	Typical  float64        `json:"service_ms"`
}

// ShadowExample is a difference.
type ShadowExample struct {
	Request string `json:"request"`
	ID      string `json:"request_id,omitempty"` // in the host's log
	What    string `json:"what"`
	Old     string `json:"old"`
	New     string `json:"new"`
	Times   int    `json:"times"` // how many answers of its method and path differ in that
}

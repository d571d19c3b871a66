// rehearse.go: what the old and the new code of a reload are asked before anything changes.

package control

import "github.com/workerhost/workerhost/host/internal/rehearse"

// RehearseAsk is what they are asked, and how their answers are compared.
type RehearseAsk struct {
	Requests []rehearse.Picked `json:"requests"`
	Compare  []string          `json:"compare,omitempty"`
	Ignore   []string          `json:"ignore,omitempty"` // regular expressions (RE2)
	For      float64           `json:"for_s,omitempty"`  // of each pool, after which none begins; 0 is a minute
}

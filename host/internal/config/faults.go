// faults.go has [faults].

package config

// Faults say what is kept of the requests and events that failed, for host faults.
type Faults struct {
	Keep   int  `key:"keep" live:"yes" default:"0" min:"0" max:"10000" means:"the latest requests and events that ended in a status from 500 on, an error, a death or a time-out, which the host keeps in memory for host faults; 0 is none"`
	Bodies bool `key:"bodies" live:"yes" default:"false" means:"keep the first 64 KiB of their bodies, too, with whatever is secret in them"`
}

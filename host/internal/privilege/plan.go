// plan.go is what the host hands to the process that becomes a worker.

package privilege

import (
	"encoding/json"
	"fmt"
	"os"
)

// Variable is the environment variable that holds a plan. It never reaches the program.
const Variable = "WORKERHOST_PLAN"

// Plan is what a process changes about itself. The zero value changes nothing.
type Plan struct {
	Parent       int       `json:"parent,omitempty"`    // the process that it must not outlive; 0 is nobody
	Directory    string    `json:"directory,omitempty"` // to be entered as the new user
	Temporary    string    `json:"temporary,omitempty"` // to be writable for the new user
	Identity     *Identity `json:"identity,omitempty"`
	Umask        *int      `json:"umask,omitempty"`
	Files        *int      `json:"nofile,omitempty"`        // how many may be open
	Core         *int64    `json:"core,omitempty"`          // bytes of a core dump
	AddressSpace *int64    `json:"address_space,omitempty"` // bytes
	Rules        *Rules    `json:"rules,omitempty"`         // nil: not confined
}

// Rules are the files and folders that a confined process may use, with all that is below them, and the ports. Paths
// are absolute.
type Rules struct {
	Readable []string `json:"readable"` // to read and to execute
	Writable []string `json:"writable"` // to read, write, create and remove, and not to execute
	Bind     *[]int   `json:"bind"`     // TCP ports to listen on; nil: all
	Connect  *[]int   `json:"connect"`  // TCP ports, of whatever address, to connect to; nil: all
}

// Changes says whether the plan needs a process of its own.
func (p *Plan) Changes() bool {
	return p.Identity != nil || p.Umask != nil || p.Files != nil || p.Core != nil || p.AddressSpace != nil ||
		p.Rules != nil
}

// Environ is the environment entry that hands the plan over, from this process.
func (p Plan) Environ() string {
	p.Parent = os.Getpid()
	data, err := json.Marshal(p)
	if err != nil {
		panic(fmt.Sprintf("privilege: a plan can't be written: %v", err)) // it is made of numbers and strings
	}
	return Variable + "=" + string(data)
}

// FromEnviron takes the plan out of this process's environment.
func FromEnviron() (*Plan, error) {
	text, ok := os.LookupEnv(Variable)
	if !ok {
		return nil, fmt.Errorf("%s is not set: host serve starts this for itself", Variable)
	}
	if err := os.Unsetenv(Variable); err != nil {
		return nil, err
	}
	p := new(Plan)
	if err := json.Unmarshal([]byte(text), p); err != nil {
		return nil, fmt.Errorf("%s can't be read: %w", Variable, err)
	}
	return p, nil
}

// parking.go looks at whether a pool's old workers can stay for a roll back.

package config

import (
	"fmt"
	"path/filepath"
)

// checkParking refuses parking that contradicts another setting, or that has no effect.
func (p *Pool) checkParking(c *Config, fail fail) {
	at := p.at + ".park"
	if p.ParkWorkers > 0 && p.Park == 0 {
		fail(p.at+".park_workers", "has no effect without park: write, for example, park = \"10m\"")
	}
	switch {
	case p.Park == 0:
	case p.InPlace:
		fail(at, "in_place ends an old worker before the new one starts, so none can stay: remove one of them")
	case p.Reload == "never":
		fail(at, "has no effect with reload = \"never\": remove it")
	case p.Kind == FastCGI:
		fail(at, "has no effect on a server that the host does not start: remove it")
	}
}

// parkingWarning says why nothing will be parked although park is given; "" if something will.
func (p *Pool) parkingWarning() string {
	if resolved, err := filepath.EvalSymlinks(p.Directory); p.Park == 0 || err != nil || resolved != p.Directory {
		return ""
	}
	return fmt.Sprintf("park of [pool.%s] has an effect only where each release has a folder of its own, and %s is "+
		"reached by no symlink: if it is edited in place, no old worker is parked, and host rollback refuses", p.Name,
		p.Directory)
}

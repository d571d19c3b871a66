// upgrade.go looks at the program of the next host.

package config

import "os/exec"

// upgradeWarning says why the program of upgrade_binary could not be started now, which is no reason not to serve.
func (c *Config) upgradeWarning() string {
	if c.UpgradeBinary == "" {
		return ""
	}
	if _, err := exec.LookPath(c.UpgradeBinary); err != nil {
		return "host upgrade will fail, unless the program is there by then: " + err.Error()
	}
	return ""
}

// How short processors are.

package machine

import (
	"fmt"
	"os"
	"strings"
)

// Pressure is for how much of the last ten seconds, in percent, something that could have run waited for a processor,
// as Linux counts it (PSI). known is false where it does not.
func Pressure() (percent float64, known bool) {
	data, err := os.ReadFile("/proc/pressure/cpu")
	if err != nil {
		return 0, false
	}
	return pressureIn(string(data))
}

func pressureIn(text string) (percent float64, known bool) {
	for line := range strings.Lines(text) {
		if _, err := fmt.Sscanf(line, "some avg10=%f", &percent); err == nil {
			return percent, true
		}
	}
	return 0, false
}

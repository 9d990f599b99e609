package proc

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// ReadBusy returns how long cores have worked for any program since the machine started, in ticks of 10 ms. Time that a
// hypervisor gave to other machines counts too.
func ReadBusy(cores Cores) (time.Duration, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	return parseBusy(string(b), cores)
}

func parseBusy(stat string, cores Cores) (time.Duration, error) {
	var busy time.Duration
	for _, n := range cores {
		_, rest, ok := strings.Cut(stat, fmt.Sprintf("\ncpu%d ", n))
		line, _, _ := strings.Cut(rest, "\n")
		fields := strings.Fields(line)
		if !ok || len(fields) < 8 {
			return 0, fmt.Errorf("/proc/stat: expected a line `cpu%d` with at least 8 numbers", n)
		}
		for i, field := range fields[:8] { // user nice system idle iowait irq softirq steal
			if i == 3 || i == 4 {
				continue
			}
			ticks, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("/proc/stat, cpu%d: %w", n, err)
			}
			busy += time.Duration(ticks) * Tick
		}
	}
	return busy, nil
}

//go:build linux

package siege

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sockgate/sockgate/gateway/e2e/attempts/internal/attack"
)

// Phase is one measurement, undisturbed or attacked.
type Phase struct {
	Length    time.Duration
	Echoes    Summary
	Probes    map[string]Summary
	Seen      Seen
	Peak      int64   // bytes: the most resident memory since the attack began
	Cores     float64 // processor time of the gateway a second
	Attack    float64 // processor time of the attackers a second
	Log       float64 // bytes a second
	Threads   int
	Stopped   bool // it was ended early, because the gateway's memory was over the bound
	Attackers attack.Report
}

func (p *Phase) fill(begin, end reading) {
	p.Length = end.at.Sub(begin.at)
	seconds := p.Length.Seconds()
	p.Cores = (end.process.CPU - begin.process.CPU).Seconds() / seconds
	p.Attack = (end.attackers - begin.attackers).Seconds() / seconds
	p.Log = float64(end.log-begin.log) / seconds
	p.Threads = end.process.Threads
}

// Failed returns the probes that failed, with the number and the first failure of each.
func (p *Phase) Failed() (all []string) {
	for _, name := range slices.Sorted(maps.Keys(p.Probes)) {
		if s := p.Probes[name]; s.Failed > 0 || s.Done == 0 {
			all = append(all, fmt.Sprintf("%s %d of %d: %s", name, s.Failed, s.Failed+s.Done, s.First))
		}
	}
	return all
}

// Result is all measurements of one attack.
type Result struct {
	Attack   string
	Callers  int
	Calm     []Phase
	Attacked []Phase
	Ended    error // whether the gateway ended well when it was asked to, at the end
}

// Over returns by how many bytes an attack raised the most memory of the gateway.
func (r *Result) Over() int64 {
	var most int64
	for _, p := range r.Attacked {
		most = max(most, p.Peak)
	}
	if len(r.Calm) == 0 {
		return most
	}
	return most - r.Calm[0].Peak
}

// median returns the median of a figure over phases.
func median[T int64 | float64 | time.Duration](phases []Phase, figure func(p *Phase) T) T {
	var all []T
	for i := range phases {
		all = append(all, figure(&phases[i]))
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[(len(all)-1)/2]
}

// Header is the head of the table of results. Each figure is undisturbed → attacked.
func Header() string {
	return "| attack | callers | echo p50 | echo p99 | echoes/s | kick max | handshake max | failed | memory | cores | " +
		"log/s | events | attackers |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n"
}

// Row is a line of the table.
func (r *Result) Row() string {
	both := func(figure func(p *Phase) string) string {
		return figure(middle(r.Calm)) + " → " + figure(middle(r.Attacked))
	}
	times := func(figure func(p *Phase) time.Duration) string {
		return short(median(r.Calm, figure)) + " → " + short(median(r.Attacked, figure))
	}
	cells := []string{
		r.Attack, fmt.Sprint(r.Callers),
		times(func(p *Phase) time.Duration { return p.Echoes.P50 }),
		times(func(p *Phase) time.Duration { return p.Echoes.P99 }),
		both(func(p *Phase) string { return fmt.Sprintf("%.0f", float64(p.Echoes.Done)/p.Length.Seconds()) }),
		times(func(p *Phase) time.Duration { return p.Probes["kick"].P99 }),
		times(func(p *Phase) time.Duration { return p.Probes["handshake"].P99 }),
		r.failures(), r.memory(),
		fmt.Sprintf("%.2f → %.2f (%.2f)", median(r.Calm, cores), median(r.Attacked, cores),
			median(r.Attacked, func(p *Phase) float64 { return p.Attack })),
		size(int64(median(r.Calm, log))) + " → " + size(int64(median(r.Attacked, log))),
		r.events(), r.said(),
	}
	return "| " + strings.ReplaceAll(strings.Join(cells, " | "), "\n", " ") + " |\n"
}

func cores(p *Phase) float64 { return p.Cores }
func log(p *Phase) float64   { return p.Log }

// middle returns a phase to show where no median makes sense: the last, when the attack was longest.
func middle(phases []Phase) *Phase {
	if len(phases) == 0 {
		return &Phase{Length: time.Second}
	}
	return &phases[len(phases)-1]
}

// failures counts the failures of everybody who must be served, with the first of each kind.
func (r *Result) failures() string {
	failed, first := map[string]int{}, map[string]string{}
	note := func(name string, s Summary) {
		switch {
		case s.Failed > 0:
			failed[name] += s.Failed
			first[name] = s.First
		case s.Done == 0:
			failed[name]++
			first[name] = "not one was done"
		}
	}
	for _, p := range r.Attacked {
		note("echo", p.Echoes)
		for name, s := range p.Probes {
			note(name, s)
		}
	}
	if r.Ended != nil {
		failed["SIGTERM"], first["SIGTERM"] = 1, r.Ended.Error()
	}
	if len(failed) == 0 {
		return "0"
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(failed)) {
		all = append(all, fmt.Sprintf("%s %d (%.100s)", name, failed[name], first[name]))
	}
	return strings.ReplaceAll(strings.Join(all, "; "), "|", `\|`)
}

func (r *Result) memory() string {
	text := "+" + size(r.Over())
	if len(r.Attacked) > 0 && r.Attacked[len(r.Attacked)-1].Stopped {
		text += ", stopped"
	}
	return text
}

func (r *Result) events() string {
	var sum Seen
	for _, p := range r.Attacked {
		sum.Events += p.Seen.Events
		sum.Gaps += p.Seen.Gaps
		sum.Ends += p.Seen.Ends
		sum.Faults = append(sum.Faults, p.Seen.Faults...)
	}
	return fmt.Sprintf("%d, %d gaps, %d ends, %d faults", sum.Events, sum.Gaps, sum.Ends, len(sum.Faults))
}

// said lists the attackers' counts of the last round.
func (r *Result) said() string {
	report := middle(r.Attacked).Attackers
	var all []string
	for _, name := range slices.Sorted(maps.Keys(report.Counts)) {
		all = append(all, fmt.Sprintf("%s %d", name, report.Counts[name]))
	}
	return strings.Join(all, ", ")
}

// size writes a number of bytes.
func size(n int64) string {
	switch {
	case n >= 10<<20 || n <= -10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<20 || n <= -1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d KiB", n>>10)
}

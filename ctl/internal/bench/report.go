package bench

import (
	"fmt"
	"strconv"
	"time"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/units"
)

// benchHeader begins every result.
type benchHeader struct {
	Benchmark   string `json:"benchmark"`
	Address     string `json:"address"`
	TLS         bool   `json:"tls"`
	Interrupted bool   `json:"interrupted"`
}

// benchFooter ends every result.
type benchFooter struct {
	Failures   int64            `json:"failures"`
	Errors     map[string]int64 `json:"errors"`
	FirstError string           `json:"firstError"`
	Client     clientReport     `json:"client"`
	Notes      []string         `json:"notes"`
}

func (b *benchmark) header(name string) benchHeader {
	return benchHeader{Benchmark: name, Address: b.address, TLS: b.secure != nil, Interrupted: b.interrupted}
}

// footer sums up the failures and ctl's own cost, against the latency that matters.
func (b *benchmark) footer(latency latencyReport) benchFooter {
	now := measureLoad()
	f := benchFooter{Errors: b.failures.all(), Failures: b.failures.total(), FirstError: b.failures.first(),
		Client: now.since(&b.load)}
	b.noteClient(&f.Client, latency)
	b.advise()
	f.Notes = append([]string{}, b.notes...)
	return f
}

// benchResult is the output of a benchmark.
type benchResult interface {
	table(a *app.App, s *app.Sections, t *app.Table)
	footer() *benchFooter
	header() *benchHeader
}

func (h *benchHeader) header() *benchHeader { return h }
func (f *benchFooter) footer() *benchFooter { return f }

// printBench prints a result, and then the remarks about it.
func printBench(a *app.App, r benchResult) error {
	err := printBenchData(a, r)
	if ferr := a.Stdout.Flush(); err == nil {
		err = ferr
	}
	f := r.footer()
	if r.header().Interrupted {
		a.Say("interrupted: this is what was measured until then")
	}
	if f.FirstError != "" && f.Failures > 0 {
		a.Say("%s", failuresSentence(f))
	}
	for _, note := range f.Notes {
		a.Say("note: %s", note)
	}
	return err
}

func failuresSentence(f *benchFooter) string {
	if f.Failures == 1 {
		return f.FirstError
	}
	return fmt.Sprintf("%s failures; of one of them: %s", countText(f.Failures), f.FirstError)
}

func printBenchData(a *app.App, r benchResult) error {
	if a.Structured() {
		return a.PrintValue(r)
	}
	s, t := a.NewSections(), newLatencyTable(a)
	h, f := r.header(), r.footer()
	s.Title("bench " + h.Benchmark)
	address := h.Address
	if h.TLS {
		address += " (TLS)"
	}
	s.Row("address", address)
	r.table(a, s, t)
	s.Row("failures", failuresText(f.Errors))
	s.Row("client", f.Client.text())
	if err := s.Flush(); err != nil || len(t.Rows) == 0 {
		return err
	}
	if err := a.Stdout.Line(""); err != nil {
		return err
	}
	return t.Flush()
}

// benchExit ends a run with its exit code; done counts the successes.
func (b *benchmark) benchExit(done int64) error {
	switch {
	case b.failures.all()[failureMismatch] > 0:
		return app.ExitWith(app.ExitFailed)
	case done == 0:
		if b.interrupted {
			b.app.Say("it was interrupted before anything was measured")
		}
		return app.ExitWith(app.ExitFailed)
	case b.failures.total() > 0:
		return app.ExitWith(app.ExitPartial)
	default:
		return nil
	}
}

// countText shows a number with its thousands apart: 1,234,567.
func countText(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// rateText shows a rate with three digits or more: 0.25/s, 12.3/s, 48,213/s.
func rateText(r float64) string {
	if r < 100 {
		return strconv.FormatFloat(r, 'g', 3, 64) + "/s"
	}
	return countText(int64(r+0.5)) + "/s"
}

func secondsText(s float64) string {
	return units.HumanDuration(time.Duration(s * float64(time.Second)))
}

func connectedText(connected, wanted int, rate float64, took float64) string {
	return fmt.Sprintf("%s of %s, opened in %s (%s)", countText(int64(connected)), countText(int64(wanted)),
		secondsText(took), rateText(rate))
}

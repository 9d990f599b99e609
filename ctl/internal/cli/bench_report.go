package cli

import (
	"fmt"
	"strconv"
	"time"
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

func (b *bench) header(name string) benchHeader {
	return benchHeader{Benchmark: name, Address: b.address, TLS: b.secure != nil, Interrupted: b.interrupted}
}

// footer sums up what went wrong and what ctl cost itself, against the latency that matters.
func (b *bench) footer(latency latencyReport) benchFooter {
	now := measureLoad()
	f := benchFooter{Errors: b.failures.all(), Failures: b.failures.total(), FirstError: b.failures.first(), Client: now.since(&b.load)}
	b.noteClient(&f.Client, latency)
	b.advise()
	f.Notes = append([]string{}, b.notes...)
	return f
}

// benchResult is what a benchmark prints.
type benchResult interface {
	table(a *app, s *sections, t *table)
	footer() *benchFooter
	header() *benchHeader
}

func (h *benchHeader) header() *benchHeader { return h }
func (f *benchFooter) footer() *benchFooter { return f }

// printBench prints a result, and then says what must be known about it.
func (a *app) printBench(r benchResult) error {
	err := a.printBenchData(r)
	if ferr := a.stdout.Flush(); err == nil {
		err = ferr
	}
	f := r.footer()
	if r.header().Interrupted {
		a.say("interrupted: this is what was measured until then")
	}
	if f.FirstError != "" && f.Failures > 0 {
		a.say("%s", failuresSentence(f))
	}
	for _, note := range f.Notes {
		a.say("note: %s", clean(note))
	}
	return err
}

func failuresSentence(f *benchFooter) string {
	if f.Failures == 1 {
		return clean(f.FirstError)
	}
	return fmt.Sprintf("%s failures; of one of them: %s", countText(f.Failures), clean(f.FirstError))
}

func (a *app) printBenchData(r benchResult) error {
	if a.structured() {
		return a.printValue(r)
	}
	s, t := &sections{bold: a.color()}, a.newLatencyTable()
	h, f := r.header(), r.footer()
	s.title("bench " + h.Benchmark)
	address := h.Address
	if h.TLS {
		address += " (TLS)"
	}
	s.row("address", address)
	r.table(a, s, t)
	s.row("failures", failuresText(f.Errors))
	s.row("client", f.Client.text())
	if _, err := a.stdout.WriteString(s.text()); err != nil || len(t.rows) == 0 {
		return err
	}
	if _, err := a.stdout.WriteString("\n"); err != nil {
		return err
	}
	return t.flush()
}

// benchExit is what a run comes to: done counts what went well.
func (b *bench) benchExit(done int64) error {
	switch {
	case b.failures.all()[failureMismatch] > 0:
		return exitWith(exitFailed)
	case done == 0:
		if b.interrupted {
			b.app.say("it was interrupted before anything was measured")
		}
		return exitWith(exitFailed)
	case b.failures.total() > 0:
		return exitWith(exitPartial)
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

func secondsText(s float64) string { return humanDuration(time.Duration(s * float64(time.Second))) }

func connectedText(connected, wanted int, rate float64, took float64) string {
	return fmt.Sprintf("%s of %s, opened in %s (%s)", countText(int64(connected)), countText(int64(wanted)), secondsText(took), rateText(rate))
}

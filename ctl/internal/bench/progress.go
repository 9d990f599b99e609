package bench

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/sockgate/sockgate/ctl/internal/app"
)

const (
	progressEvery = 200 * time.Millisecond
	progressWidth = 24
)

// showProgress paints a bar on a terminal's stderr until the returned function is called, which wipes it out. Another
// goroutine calls state. Without a terminal it does nothing.
func showProgress(a *app.App, title string, state func() (done float64, text string)) (stop func()) {
	if !a.Env.StderrIsTerminal || a.Env.Getenv("TERM") == "dumb" {
		return func() {}
	}
	ended := make(chan struct{})
	var painter sync.WaitGroup
	painter.Go(func() {
		ticker := time.NewTicker(progressEvery)
		defer ticker.Stop()
		for {
			done, text := state()
			_ = a.Stderr.Repaint(progressLine(a.ColorWanted(), title, done, text)...)
			select {
			case <-ticker.C:
			case <-ended:
				_ = a.Stderr.Repaint()
				return
			}
		}
	})
	return sync.OnceFunc(func() { close(ended); painter.Wait() })
}

// progressLine is painted over the one before.
func progressLine(color bool, title string, done float64, text string) []app.Painted {
	filled := int(min(max(done, 0), 1) * progressWidth)
	return []app.Painted{app.Text(fmt.Sprintf("%-10s [", title)), app.Paint(color, "32", strings.Repeat("#", filled)),
		app.Text(strings.Repeat("-", progressWidth-filled) + "] " + text)}
}

package dial

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/textcode"
	"github.com/sockgate/sockgate/ctl/internal/units"
)

// dialEvent is one line of `ctl dial`.
type dialEvent struct {
	Time     time.Time `json:"time"`
	Name     string    `json:"name"`
	Event    string    `json:"event"`
	Local    string    `json:"local,omitempty"`
	Remote   string    `json:"remote,omitempty"`
	TLS      string    `json:"tls,omitempty"`
	Data     *string   `json:"data,omitempty"`
	Encoding string    `json:"encoding,omitempty"`
	AfterMs  *int64    `json:"afterMs,omitempty"`
	Error    string    `json:"error,omitempty"`
	Received *int64    `json:"bytesReceived,omitempty"`
	Sent     *int64    `json:"bytesSent,omitempty"`
}

// dialPrinter prints the events of all connections, whole lines at a time. Nothing is printed for a name after its
// close.
type dialPrinter struct {
	app    *app.App
	cancel func() // ends everything when output fails

	mu    sync.Mutex
	ended map[string]bool
	err   error
}

func (p *dialPrinter) print(e dialEvent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil || p.ended[e.Name] {
		return
	}
	if e.Event == "close" {
		if p.ended == nil {
			p.ended = map[string]bool{}
		}
		p.ended[e.Name] = true
	}
	if p.err = p.write(e); p.err != nil {
		p.cancel()
	}
}

func (p *dialPrinter) write(e dialEvent) error {
	if p.app.Structured() {
		e.Time = p.app.Env.Now()
		if err := p.app.PrintValue(e); err != nil {
			return err
		}
		return p.app.Stdout.Flush()
	}
	rest := strings.TrimRight(" "+e.details(), " ")
	_ = p.app.Stdout.PaintedLine(app.Text(e.Name+" "), p.paintEvent(e.Event), app.Text(rest))
	return p.app.Stdout.Flush() // has the error of the line too
}

func (p *dialPrinter) paintEvent(event string) app.Painted {
	attribute := map[string]string{"connected": "32", "error": "31", "timeout": "33", "backpressure": "33",
		"data": "0"}[event]
	if attribute == "" {
		attribute = "36"
	}
	return app.Paint(p.app.Color(), attribute, event)
}

func (e *dialEvent) details() string {
	var parts []string
	add := func(key, value string) {
		if value != "" {
			parts = append(parts, key+"="+value)
		}
	}
	add("local", e.Local)
	add("remote", e.Remote)
	add("tls", strings.ReplaceAll(e.TLS, " ", ""))
	if e.AfterMs != nil {
		add("after", units.HumanDuration(time.Duration(*e.AfterMs)*time.Millisecond))
	}
	if e.Data != nil && e.Encoding == textcode.EncodingUTF8 {
		parts = append(parts, strconv.Quote(*e.Data))
	} else if e.Data != nil {
		parts = append(parts, *e.Data)
	}
	if e.Error != "" {
		parts = append(parts, e.Error)
	}
	if e.Received != nil && e.Sent != nil {
		add("received", strconv.FormatInt(*e.Received, 10))
		add("sent", strconv.FormatInt(*e.Sent, 10))
	}
	return strings.Join(parts, " ")
}

// milliseconds is a duration as an event has it.
func milliseconds(d time.Duration) *int64 {
	ms := d.Milliseconds()
	return &ms
}

package natsbus

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/hashicorp/go-hclog"
)

// serverLog is the embedded server's log. Its errors concern connections between nodes. They become warnings of the
// gateway, equal ones once a minute. Everything else is logged with debug or trace. Its methods may be called from any
// goroutine.
type serverLog struct {
	log   hclog.Logger
	fatal chan error // capacity 1, for the first error
	due   occasions
}

// ephemeral matches the numbers that differ between otherwise equal lines: ports, connections' numbers, attempts.
var ephemeral = regexp.MustCompile(`[0-9]+`)

// warn logs a text for the operator, as a warning once a minute and otherwise with debug.
func (l *serverLog) warn(text string) {
	if l.due.due(ephemeral.ReplaceAllString(text, "#")) {
		l.log.Warn("NATS between nodes: " + text)
	} else {
		l.log.Debug("NATS between nodes: " + text)
	}
}

// Noticef logs with debug, except that a slow consumer is a warning.
func (l *serverLog) Noticef(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	if strings.Contains(text, "Slow Consumer Detected") {
		l.warn(text)
		return
	}
	l.log.Debug("NATS: " + text)
}

// Warnf logs with debug, because the server warns of settings that it finds unwise.
func (l *serverLog) Warnf(format string, v ...any) { l.log.Debug("NATS: " + fmt.Sprintf(format, v...)) }

// Errorf logs a warning, except for the accept loop that the entrance has put to rest.
func (l *serverLog) Errorf(format string, v ...any) {
	if text := fmt.Sprintf(format, v...); !strings.HasPrefix(text, "Temporary Route Accept Error") ||
		!strings.Contains(text, "i/o timeout") {
		l.warn(text)
	}
}

// Fatalf passes the first error on to startServer. It does not end the process.
func (l *serverLog) Fatalf(format string, v ...any) {
	err := fmt.Errorf(format, v...)
	for _, value := range v {
		if cause, ok := value.(error); ok {
			err = cause
		}
	}
	select {
	case l.fatal <- err:
	default:
	}
}

// Debugf logs with trace.
func (l *serverLog) Debugf(format string, v ...any) {
	l.log.Trace("NATS: " + fmt.Sprintf(format, v...))
}

// Tracef logs nothing, because the server does not trace.
func (l *serverLog) Tracef(string, ...any) {}

package natsbus

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/hashicorp/go-hclog"
)

// serverLog is the embedded server's log. Its errors, which are of connections between nodes, are warnings of the gateway, the same ones
// once a minute; everything else is for who looks closely. It is safe for concurrent use.
type serverLog struct {
	log   hclog.Logger
	fatal chan error // has room for the first
	due   occasions
}

// ephemeral are the numbers in a line that differ each time: ports, connections' numbers, attempts.
var ephemeral = regexp.MustCompile(`[0-9]+`)

// warn logs what a user should know.
func (l *serverLog) warn(text string) {
	if l.due.due(ephemeral.ReplaceAllString(text, "#")) {
		l.log.Warn("NATS between nodes: " + text)
	} else {
		l.log.Debug("NATS between nodes: " + text)
	}
}

// Noticef logs what happens.
func (l *serverLog) Noticef(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	if strings.Contains(text, "Slow Consumer Detected") {
		l.warn(text)
		return
	}
	l.log.Debug("NATS: " + text)
}

// Warnf logs what the server finds unwise.
func (l *serverLog) Warnf(format string, v ...any) { l.log.Debug("NATS: " + fmt.Sprintf(format, v...)) }

// Errorf logs an error.
func (l *serverLog) Errorf(format string, v ...any) { l.warn(fmt.Sprintf(format, v...)) }

// Fatalf passes on why the server cannot run. It does not end the process.
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

// Debugf logs the server's working.
func (l *serverLog) Debugf(format string, v ...any) {
	l.log.Trace("NATS: " + fmt.Sprintf(format, v...))
}

// Tracef logs nothing: the server is not asked to trace.
func (l *serverLog) Tracef(string, ...any) {}

package daemon

import (
	"fmt"
	"strings"

	"github.com/hashicorp/go-hclog"
)

// textLogger keeps the values of a text log apart. hclog would put a value of several lines on lines of its own, and
// leave backslashes in quotes as they are, so that a value could look like several fields.
type textLogger struct{ hclog.Logger }

// Log implements hclog.Logger.
func (l textLogger) Log(level hclog.Level, message string, args ...any) {
	if level >= l.GetLevel() {
		l.Logger.Log(level, message, quotedArgs(args)...)
	}
}

// Trace implements hclog.Logger.
func (l textLogger) Trace(message string, args ...any) { l.Log(hclog.Trace, message, args...) }

// Debug implements hclog.Logger.
func (l textLogger) Debug(message string, args ...any) { l.Log(hclog.Debug, message, args...) }

// Info implements hclog.Logger.
func (l textLogger) Info(message string, args ...any) { l.Log(hclog.Info, message, args...) }

// Warn implements hclog.Logger.
func (l textLogger) Warn(message string, args ...any) { l.Log(hclog.Warn, message, args...) }

// Error implements hclog.Logger.
func (l textLogger) Error(message string, args ...any) { l.Log(hclog.Error, message, args...) }

// With implements hclog.Logger.
func (l textLogger) With(args ...any) hclog.Logger {
	return textLogger{l.Logger.With(quotedArgs(args)...)}
}

// Named implements hclog.Logger.
func (l textLogger) Named(name string) hclog.Logger { return textLogger{l.Logger.Named(name)} }

// ResetNamed implements hclog.Logger.
func (l textLogger) ResetNamed(name string) hclog.Logger {
	return textLogger{l.Logger.ResetNamed(name)}
}

// quotedArgs returns a copy of keys and values in which each text that needs it is quoted.
func quotedArgs(args []any) []any {
	all := append([]any(nil), args...)
	for i := range all {
		switch value := all[i].(type) {
		case string:
			all[i] = quotedText(value)
		case error, fmt.Stringer:
			all[i] = quotedText(fmt.Sprint(value))
		}
	}
	return all
}

func quotedText(text string) any {
	if strings.ContainsAny(text, "\n\"\\") {
		return hclog.Quote(text)
	}
	return text
}

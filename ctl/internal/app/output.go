package app

import (
	"bufio"
	"io"
	"strings"
	"sync"
)

// Output is stdout or stderr. It is the only way to them: no command has the stream itself, and ctl's AST test refuses
// code that takes it from elsewhere. All text passes Clean on its way, so that neither a gateway nor a peer can drive
// the terminal or begin a line. Only an Output writes line ends and colours. It is safe for concurrent use.
type Output struct {
	mu   sync.Mutex
	w    *bufio.Writer
	held bool // until Flush
}

// newOutput makes an output that holds up to 32 KiB until Flush, or nothing.
func newOutput(w io.Writer, held bool) *Output {
	return &Output{w: bufio.NewWriterSize(w, 32<<10), held: held}
}

// Painted is a part of a line, with its ANSI attribute; empty means as the terminal is.
type Painted struct {
	attribute string
	text      string
}

// Text is a part of a line without colour.
func Text(text string) Painted { return Painted{text: text} }

// Paint is a part of a line in an ANSI attribute such as "1", if colour is on.
func Paint(on bool, attribute, text string) Painted {
	if !on {
		attribute = ""
	}
	return Painted{attribute: attribute, text: text}
}

// String is the part as a terminal gets it.
func (p Painted) String() string {
	if p.attribute == "" {
		return Clean(p.text)
	}
	return "\x1b[" + p.attribute + "m" + Clean(p.text) + "\x1b[0m"
}

// Line writes one line, whatever is in the text.
func (o *Output) Line(text string) error { return o.put(Clean(text) + "\n") }

// PaintedLine writes one line of several parts.
func (o *Output) PaintedLine(parts ...Painted) error { return o.put(shown(parts) + "\n") }

// Prompt writes the beginning of a line that a person ends.
func (o *Output) Prompt(text string) error { return o.put(Clean(text)) }

// Repaint replaces the line that the cursor is in, on a terminal. Without parts it wipes the line out.
func (o *Output) Repaint(parts ...Painted) error { return o.put("\r\x1b[K" + shown(parts)) }

// Flush writes what is held.
func (o *Output) Flush() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.w.Flush()
}

// layout writes text that has its own line ends and tabs.
func (o *Output) layout(text string) error { return o.put(escape(text, textLayout)) }

func (o *Output) put(text string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, err := o.w.WriteString(text); err != nil || o.held {
		return err
	}
	return o.w.Flush()
}

// shown joins parts of a line.
func shown(parts []Painted) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.String())
	}
	return b.String()
}

// layoutWriter is an Output for cobra, which lays its help out itself.
type layoutWriter struct{ out *Output }

// Write writes p.
func (w layoutWriter) Write(p []byte) (int, error) {
	if err := w.out.layout(string(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

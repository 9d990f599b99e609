package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sockgate/sockgate/gateway/frame"
)

// Bounds of the words about frames.
const (
	defaultMaxFrame     = 64 << 10
	maxMaxFrame         = 16 << 20
	defaultFrameTimeout = 30 * time.Second
	minFrameTimeout     = time.Millisecond
	maxFrameTimeout     = time.Hour
)

// frameWord begins the word with a format.
const frameWord = "frame="

// framing is how the received bytes of a listener are cut into frames, in the fields of server.ListenerConfig. The zero
// value leaves them as they are read.
type framing struct {
	Frame        frame.Format
	MaxFrame     int           // bytes of a frame
	FrameTimeout time.Duration // how long half a frame may wait for the rest
}

// frameWords are the words about frames. An empty one was not given.
type frameWords struct{ format, most, timeout string }

// framing checks the words, and fills in the defaults of the others.
func (w *frameWords) framing() (framing, error) {
	format, err := frame.Parse(cmp.Or(w.format, frame.Format{}.String()))
	switch {
	case err != nil:
		return framing{}, err
	case format != frame.Format{}:
		return w.of(format)
	case w.most != "":
		return framing{}, errors.New("max-frame does nothing without frames: add for example frame=line, or remove it")
	case w.timeout != "":
		return framing{}, errors.New("frame-timeout does nothing without frames: add for example frame=line, or remove it")
	}
	return framing{}, nil
}

// of is the framing with a format that is not raw.
func (w *frameWords) of(format frame.Format) (f framing, err error) {
	f.Frame = format
	if f.MaxFrame, err = w.size(); err != nil {
		return framing{}, err
	}
	if f.FrameTimeout, err = w.period(); err != nil {
		return framing{}, err
	}
	if err := format.Fits(f.MaxFrame); err != nil {
		return framing{}, fmt.Errorf("frame=%s max-frame=%s: %w; expected a larger max-frame, up to 16MiB, or "+
			"a format of shorter frames", format, (*byteSize)(&f.MaxFrame), err)
	}
	return f, nil
}

func (w *frameWords) size() (int, error) {
	if w.most == "" {
		return defaultMaxFrame, nil
	}
	var b byteSize
	if err := b.Set(w.most); err != nil {
		return 0, fmt.Errorf("max-frame: %w", err)
	}
	if b < 1 || b > maxMaxFrame {
		return 0, fmt.Errorf("max-frame=%.100s: expected 1 byte to 16MiB", w.most)
	}
	return int(b), nil
}

func (w *frameWords) period() (time.Duration, error) {
	if w.timeout == "" {
		return defaultFrameTimeout, nil
	}
	d, err := time.ParseDuration(w.timeout)
	if err != nil || d < minFrameTimeout || d > maxFrameTimeout {
		return 0, fmt.Errorf("frame-timeout=%.100s: expected a duration from 1ms to 1h, for example 30s", w.timeout)
	}
	return d, nil
}

// listenTexts cuts a text with several listeners at its commas. A comma in a format of frames does not cut: the
// listener goes on behind it, unless the next word is an address, which has a colon.
func listenTexts(text string) (all []string) {
	var one strings.Builder
	open := false // the last word is a format
	for i, piece := range strings.Split(text, ",") {
		piece = strings.TrimSpace(piece)
		words := strings.Fields(piece)
		continued := open && (len(words) == 0 || !strings.Contains(words[0], ":"))
		switch {
		case continued:
			one.WriteByte(',')
		case i > 0:
			all = append(all, one.String())
			one.Reset()
		}
		one.WriteString(piece)
		if n := len(words); n > 1 || !continued {
			open = n > 0 && strings.HasPrefix(words[n-1], frameWord)
		}
	}
	return append(all, one.String())
}

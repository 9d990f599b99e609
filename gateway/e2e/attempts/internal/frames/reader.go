package frames

import (
	"strconv"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
)

// readAll follows the server until the connection is over.
func (c *Conn) readAll() {
	defer close(c.read)
	for {
		f, err := c.framer.ReadFrame()
		if _, one := err.(http2.StreamError); one { //nolint:errorlint // the framer returns it as it is
			continue
		}
		if err == nil {
			err = c.follow(f)
		}
		if err != nil {
			c.state.die(err)
			_ = c.net.Close()
			return
		}
	}
}

// follow obeys one frame of the server.
func (c *Conn) follow(f http2.Frame) error {
	id := f.Header().StreamID
	switch f := f.(type) {
	case *http2.WindowUpdateFrame:
		c.state.grow(id, int64(f.Increment))
	case *http2.SettingsFrame:
		return c.settle(f)
	case *http2.PingFrame:
		if !f.IsAck() {
			return c.Write(func(w *http2.Framer) error { return w.WritePing(true, f.Data) })
		}
	case *http2.DataFrame:
		return c.giveBack(id, f.Header().Length)
	case *http2.MetaHeadersFrame:
		if f.StreamEnded() {
			c.ended(id, statusOf(f), field(f, "grpc-message"))
		}
	case *http2.RSTStreamFrame:
		c.ended(id, "", f.ErrCode.String())
	case *http2.GoAwayFrame:
		if f.ErrCode != http2.ErrCodeNo {
			return errReset(f.ErrCode)
		}
	}
	return nil
}

func (c *Conn) settle(f *http2.SettingsFrame) error {
	if f.IsAck() {
		return nil
	}
	if initial, ok := f.Value(http2.SettingInitialWindowSize); ok {
		c.state.start(int64(initial))
	}
	return c.Write(func(w *http2.Framer) error { return w.WriteSettingsAck() })
}

// giveBack gives back the window that data used, unless the stream's window is one that never grows.
func (c *Conn) giveBack(id, n uint32) error {
	if n == 0 || c.config.Window != nil {
		return nil
	}
	return c.Write(func(w *http2.Framer) error {
		if err := w.WriteWindowUpdate(0, n); err != nil {
			return err
		}
		return w.WriteWindowUpdate(id, n)
	})
}

func (c *Conn) ended(id uint32, status, message string) {
	c.state.end(id)
	if c.config.Ended != nil {
		c.config.Ended(status, message)
	}
}

// statusOf returns the name of the status that headers end a call with.
func statusOf(f *http2.MetaHeadersFrame) string {
	code, err := strconv.ParseUint(field(f, "grpc-status"), 10, 32)
	if err != nil {
		return "HTTP " + field(f, ":status")
	}
	return codes.Code(code).String()
}

func field(f *http2.MetaHeadersFrame, name string) string {
	for _, h := range f.Fields {
		if h.Name == name {
			return h.Value
		}
	}
	return ""
}

// Package dial is `ctl dial`, a TCP and TLS client with named connections.
package dial

import (
	"context"
	"crypto/tls"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/textcode"
)

const (
	dialConnectTimeout = 10 * time.Second
	dialChunk          = 32 << 10
	dialQueue          = 8 // chunks of stdin that may wait for one connection
)

type dialOptions struct {
	names        []string
	sends        []string
	sendEncoding string
	newline      bool
	encoding     string
	idle         time.Duration
	idleAction   string
	once         bool
	halfOpen     bool
	tls          app.DataTLS
	proxyFrom    string
}

const dialLong = `Open one connection for each --name, all at once, and print what happens to them, a line each:

  NAME connected local=ADDR remote=ADDR
  NAME data "TEXT"                        bytes were received
  NAME end                                the peer finished writing
  NAME timeout after=500ms                nothing was sent or received for --timeout; once for each idle period
  NAME backpressure                       the peer has not taken what is being written for 250ms
  NAME drain after=1.2s                   it did now
  NAME error TEXT
  NAME close received=18 sent=9           in bytes

With --send, given once for all or once for each name in order, ctl sends that text and does not
use stdin; it appends nothing without --newline. Then ctl waits for the peer to end: --once ends
after the first answer, and --timeout 5s --timeout-action close ends a connection that is silent
for 5 s. Without --send, ctl sends stdin to all connections, byte for byte, and finishes writing
at its end. When the peer has finished, ctl finishes too and closes. --timeout here is the idle
timeout of these connections.

--data-tls and the like make the connections TLS; --tls is for the control plane, which dial
does not ask.

ADDR is host:port or unix:///path. An interrupt finishes writing and then closes.

Exit codes: 0 all connections ended well; 1 all failed; 2 usage; 3 some failed.`

// Command is `ctl dial`.
func Command(a *app.App) *cobra.Command {
	var o dialOptions
	cmd := &cobra.Command{
		Use:   "dial ADDR",
		Short: "Connect to a data-plane address as one or more clients",
		Long:  dialLong,
		Example: `  ctl dial localhost:8017
  ctl dial --name Dwarves --name Elves --send 'More Axes' --send 'More Arrows' --timeout 500ms --once localhost:8017`,
		Args:              app.Exactly(1, "one ADDR, host:port or unix:///path"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.RunE(func(cmd *cobra.Command, args []string) error {
			return dial(cmd.Context(), a, args[0],
				o)
		}),
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.names, "name", nil, `open a connection of this `+"`NAME`"+` (repeatable; default one, "client")`)
	f.StringArrayVar(&o.sends, "send", nil,
		"send `TEXT` and wait for the peer to end: given once to all, else once for each name")
	f.StringVar(&o.sendEncoding, "send-encoding", textcode.EncodingUTF8, "how TEXT is written: utf8, hex or base64")
	f.BoolVarP(&o.newline, "newline", "n", false, `append "\n" to TEXT`)
	f.StringVar(&o.encoding, "encoding", textcode.EncodingUTF8, "how received bytes are shown: utf8, hex or base64")
	// This flag takes the place of the global one of the same name.
	f.DurationVar(&o.idle, "timeout", 0, "idle `DURATION` after which a timeout is printed; 0 means never")
	f.StringVar(&o.idleAction, "timeout-action", "notify", "what a timeout does: notify, or close the connection too")
	f.BoolVar(&o.once, "once", false, "finish writing after the first received data, then wait for the peer's end")
	f.BoolVar(&o.halfOpen, "half-open", false, "go on sending stdin when the peer has finished writing")
	f.StringVar(&o.proxyFrom, "proxy-from", "",
		"send a PROXY protocol header (version 1) first, as a balancer does for a client at `IP:PORT`")
	o.tls.Register(cmd)
	app.CompleteFlag(cmd, "proxy-from")
	app.CompleteFlag(cmd, "encoding", textcode.Encodings()...)
	app.CompleteFlag(cmd, "send-encoding", textcode.Encodings()...)
	app.CompleteFlag(cmd, "timeout-action", "notify", "close")
	for _, flag := range []string{"name", "send", "timeout"} {
		app.CompleteFlag(cmd, flag)
	}
	return cmd
}

// dial runs all connections to their ends.
func dial(ctx context.Context, a *app.App, addr string, o dialOptions) error {
	network, address, err := app.DialTarget(addr)
	if err != nil {
		return err
	}
	if a.Output == app.FormatName {
		return app.Usagef("-o name prints IDs; dial has none")
	}
	payloads, err := o.check()
	if err != nil {
		return err
	}
	secure, err := a.DataConfig(&o.tls, address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d := &dialer{network: network, address: address, secure: secure, options: o,
		printer: &dialPrinter{app: a, cancel: cancel}}
	for i, name := range o.names {
		d.conns = append(d.conns, newDialConn(d, name, payloads[i]))
	}
	failed := d.run(ctx, a)
	switch {
	case d.printer.err != nil:
		return d.printer.err
	case failed == 0:
		return nil
	case failed < len(d.conns):
		return app.ExitWith(app.ExitPartial)
	default:
		return app.ExitWith(app.ExitFailed)
	}
}

// check validates the options and returns each name's payload; nil stands for stdin.
func (o *dialOptions) check() ([][]byte, error) {
	if len(o.names) == 0 {
		o.names = []string{"client"}
	}
	for i, name := range o.names {
		if name == "" || slices.Contains(o.names[:i], name) {
			return nil, app.Usagef("--name %q is empty or given twice; the names tell the connections apart", name)
		}
	}
	if err := textcode.CheckEncoding(o.encoding); err != nil {
		return nil, app.Usagef("%v", err)
	}
	if o.idle < 0 {
		return nil, app.Usagef("--timeout %s is not possible; give a duration such as 500ms, or 0 for none", o.idle)
	}
	if _, err := o.proxied(); err != nil {
		return nil, err
	}
	if o.idleAction != "notify" && o.idleAction != "close" {
		return nil, app.Usagef("--timeout-action %q is not known; use notify or close", o.idleAction)
	}
	if n := len(o.sends); n > 1 && n != len(o.names) {
		return nil, app.Usagef("--send was given %d times for %d names; give it once for all, or once for each name", n,
			len(o.names))
	}
	return o.payloads()
}

// proxied is the client that the PROXY header names; the zero value means no header.
func (o *dialOptions) proxied() (netip.AddrPort, error) {
	if o.proxyFrom == "" {
		return netip.AddrPort{}, nil
	}
	client, err := netip.ParseAddrPort(o.proxyFrom)
	if err != nil || client.Addr().Zone() != "" {
		return client, app.Usagef("--proxy-from %.60q is not an address; give IP:PORT, for example 203.0.113.7:4242",
			o.proxyFrom)
	}
	return client, nil
}

func (o *dialOptions) payloads() ([][]byte, error) {
	payloads := make([][]byte, len(o.names))
	if err := textcode.CheckEncoding(o.sendEncoding); err != nil {
		return nil, app.Usagef("%v", err)
	}
	if len(o.sends) == 0 {
		return payloads, nil
	}
	for i := range payloads {
		text := o.sends[0]
		if len(o.sends) > 1 {
			text = o.sends[i]
		}
		data, err := textcode.EncodeText(text, o.sendEncoding)
		if err != nil {
			return nil, app.Usagef("%v", err)
		}
		if o.newline {
			data = append(data, '\n')
		}
		payloads[i] = append([]byte{}, data...) // empty, but not nil, for --send ''
	}
	return payloads, nil
}

// dialer is one run of `ctl dial`.
type dialer struct {
	network string
	address string
	secure  *tls.Config // nil: no TLS
	options dialOptions
	printer *dialPrinter
	conns   []*dialConn
}

// run returns how many connections failed.
func (d *dialer) run(ctx context.Context, a *app.App) (failed int) {
	var connected, ended sync.WaitGroup
	for _, c := range d.conns {
		connected.Add(1)
		ended.Go(func() { c.run(ctx, connected.Done) })
	}
	connected.Wait()
	if len(d.options.sends) == 0 && slices.ContainsFunc(d.conns, (*dialConn).open) {
		// Left behind when all connections end first: reading a terminal cannot be interrupted.
		go d.pumpStdin(a)
	}
	ended.Wait()
	for _, c := range d.conns {
		if c.failed {
			failed++
		}
	}
	return failed
}

// pumpStdin gives stdin to every connection. It waits for the slowest of them, so that memory stays bounded.
func (d *dialer) pumpStdin(a *app.App) {
	defer func() {
		for _, c := range d.conns {
			close(c.input)
		}
	}()
	for {
		chunk := make([]byte, dialChunk)
		n, err := a.Env.Stdin.Read(chunk)
		if n > 0 && !d.offer(chunk[:n]) || err != nil {
			return
		}
	}
}

// offer returns false when no connection takes input any more.
func (d *dialer) offer(chunk []byte) bool {
	taken := false
	for _, c := range d.conns {
		select {
		case <-c.written:
		default:
			select {
			case c.input <- chunk:
				taken = true
			case <-c.written:
			}
		}
	}
	return taken
}

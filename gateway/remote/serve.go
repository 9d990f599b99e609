package remote

import (
	"context"
	"errors"

	"google.golang.org/grpc"
)

// Serve attaches to the gateway of conn, and with Config.Dial to the other nodes of its fleet, and calls h for the
// connections that it is given, until ctx ends. It attaches again when a lane is lost: after 50 ms at first, then
// doubled up to 5 s, each up to half less at random. A lane that lived for 1 s begins again with 50 ms. A lane that an
// operator drained is opened again after 5 s: end the program to keep it away.
//
// When ctx ends, all lanes drain: their connections move to other instances within Config.DrainTimeout. Serve returns
// nil when the gateway has ended all streams, or at the latest 5 s after that time. To stop without a drain, end ctx
// with the cause [ErrAbandon], or set a DrainTimeout below 0. To cut a drain short, close
// conn: the lanes on it end at once.
//
// The error says which parameter is missing or out of its bounds; or it is that of the first attach to the gateway of
// conn, with code INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, UNAUTHENTICATED or UNIMPLEMENTED; or it says that
// conn was closed or that h called runtime.Goexit. Later such errors, and those of other nodes, are logged, and Serve
// goes on.
//
// When Serve returns, all calls of h have ended, and no goroutine is left. A program may call Serve several times.
func Serve(ctx context.Context, conn grpc.ClientConnInterface, c Config, h Handler) error {
	c, err := c.checked()
	switch {
	case err != nil:
		return err
	case conn == nil || h == nil:
		return errors.New("remote: Serve without a connection or a handler")
	}
	f := newFleet(ctx, c, h)
	defer f.cancel(nil)
	f.seed = f.newNode("", "")
	f.seed.seed, f.seed.conn = true, conn
	f.start(f.seed)
	f.serving.Wait()
	return f.failed()
}

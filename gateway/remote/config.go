package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
)

// defaultDrain is the default of Config.DrainTimeout.
const defaultDrain = 30 * time.Second

// Config says how a program attaches. Only Handler is required.
type Config struct {
	// Handler is the NAME of the handler `remote:NAME`: `[a-z0-9-]{1,32}`.
	Handler string
	// Instance is the program's name among the instances of the handler: 1 to 64 of `[A-Za-z0-9._-]`. Default: the host's
	// name, a hyphen and the process's number.
	Instance string
	// Lanes is how many lanes the program keeps on each node: 1 to 1,024. Default: 1. A lane makes its calls of the
	// handler one after another, and uses about one core.
	Lanes int
	// Window is how many bytes of a connection may be unacknowledged before the gateway stops reading from it: 4 KiB to
	// 1 MiB. 0, or more than the gateway's limit `handler_window`, means that limit.
	Window int
	// MaxConnections is the most connections of a lane; 0 means no limit.
	MaxConnections int
	// DrainTimeout is within what time the connections move to other instances at the end of ctx: up to 1 hour. Default:
	// 30 s. Each moves when nothing of it is unacknowledged, and at the end all the same. Below 0 there is no drain: lanes
	// end at once.
	DrainTimeout time.Duration
	// Dial connects to another node of the gateway's fleet, whose control plane is at address, `host:port`. ctx ends when
	// the node is no longer wanted. Serve closes the connection if it is an io.Closer. An error is logged, and Dial is
	// called again later. nil: only the node of conn is served. Calls run at the same time.
	Dial func(ctx context.Context, node, address string) (grpc.ClientConnInterface, error)
	// Logger gets the lines for operators. Default: none. Hazard: a logger that blocks holds up a lane.
	Logger hclog.Logger
}

// checked returns the configuration with its defaults, or says which field is out of its bounds.
func (c Config) checked() (Config, error) {
	c.Instance = cmp.Or(c.Instance, defaultInstance())
	c.Lanes = cmp.Or(c.Lanes, 1)
	c.DrainTimeout = cmp.Or(c.DrainTimeout, defaultDrain)
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	switch {
	case !handlerName.MatchString(c.Handler):
		return c, fmt.Errorf("remote: handler %.40q: expected [a-z0-9-]{1,32}", c.Handler)
	case c.Lanes < 1 || c.Lanes > maxLanes:
		return c, fmt.Errorf("remote: %d lanes: expected 1 to %d", c.Lanes, maxLanes)
	case c.Window != 0 && (c.Window < minWindow || c.Window > maxWindow):
		return c, fmt.Errorf("remote: a window of %d bytes: expected 0, or %d to %d", c.Window, minWindow, maxWindow)
	case c.MaxConnections < 0 || int64(c.MaxConnections) > 1<<32-1:
		return c, fmt.Errorf("remote: at most %d connections: expected 0 to 4294967295", c.MaxConnections)
	case c.DrainTimeout > maxDrain:
		return c, fmt.Errorf("remote: a drain timeout of %s: expected at most 1 hour", c.DrainTimeout)
	}
	return c, checkInstance(c.Instance)
}

// notOfNames is what an instance's name does not have.
var notOfNames = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

func defaultInstance() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	number := fmt.Sprintf("-%d", os.Getpid())
	host = notOfNames.ReplaceAllString(host, "-")
	return host[:min(len(host), maxInstance-len(number))] + number
}

// ErrAbandon is the cause of ctx's end that makes Serve end its lanes at once, without a drain:
//
//	ctx, cancel := context.WithCancelCause(context.Background())
//	…
//	cancel(remote.ErrAbandon)
var ErrAbandon = errors.New("remote: the lanes end without a drain")

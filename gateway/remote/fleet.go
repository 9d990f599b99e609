package remote

import (
	"context"
	"sync"
	"sync/atomic"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// fleet has the nodes that the program is attached to: that of Serve's connection, and the others that attached nodes
// name.
type fleet struct {
	config  Config
	handler *hooks
	ctx     context.Context
	cancel  context.CancelCauseFunc
	serving sync.WaitGroup // runs of nodes
	greeted atomic.Bool    // the first node has welcomed a lane

	mu     sync.Mutex
	err    error
	seed   *node
	others map[string]*node            // by name
	lists  map[*lane]map[string]string // addresses by name, as the lane's node gave them last
	seeds  map[string]struct{}         // the names that seed's lanes have now, or had last
}

func newFleet(ctx context.Context, c Config, h Handler) *fleet {
	f := &fleet{config: c, handler: hooksOf(h), others: make(map[string]*node),
		lists: make(map[*lane]map[string]string)}
	f.ctx, f.cancel = context.WithCancelCause(ctx)
	return f
}

// start serves a node. The caller is Serve, or a goroutine that serves a node.
func (f *fleet) start(n *node) { f.serving.Go(n.run) }

// fail makes Serve end all lanes at once, and return err. The first one counts.
func (f *fleet) fail(err error) {
	f.mu.Lock()
	if f.err == nil {
		f.err = err
	}
	f.mu.Unlock()
	f.cancel(err)
}

func (f *fleet) failed() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// heard takes what a lane's node says of its fleet.
func (f *fleet) heard(l *lane, nodes *pb.Nodes) {
	if l.slot.node.seed {
		f.greeted.Store(true)
	}
	list := make(map[string]string, len(nodes.GetNodes()))
	for _, n := range nodes.GetNodes() {
		list[n.GetNode()] = n.GetAddress()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lists[l] = list
	f.settle(list)
}

// gone forgets what a lane's node said, now that the lane has ended.
func (f *fleet) gone(l *lane) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.lists, l)
	f.settle(nil)
}

// settle makes the other nodes those that any attached node names. While no node is attached, nothing is known, and the
// others stay. latest is the list that was given last, whose addresses count. The caller holds mu.
func (f *fleet) settle(latest map[string]string) {
	if f.config.Dial == nil || f.ctx.Err() != nil {
		return
	}
	wanted, attached := f.named(), f.attached()
	if len(attached) == 0 {
		return
	}
	for name, n := range f.others {
		moved := latest[name] != "" && latest[name] != n.address && !attached[n]
		if wanted[name] == "" || moved {
			n.cancel(errLeft)
			delete(f.others, name)
		}
	}
	for name, address := range wanted {
		if f.others[name] == nil {
			f.others[name] = f.newNode(name, f.address(latest, name, address))
			f.start(f.others[name])
		}
	}
}

func (f *fleet) address(latest map[string]string, name, address string) string {
	if a := latest[name]; a != "" {
		return a
	}
	return address
}

// named returns the nodes that attached nodes name, without those that the lanes of seed are attached to. The caller
// holds mu.
func (f *fleet) named() map[string]string {
	all, seeds := make(map[string]string), make(map[string]struct{})
	for l, list := range f.lists {
		switch n := l.slot.node; {
		case n.ctx.Err() != nil: // its lanes are leaving
			continue
		case n.seed:
			seeds[l.node] = struct{}{}
		}
		for name, address := range list {
			all[name] = address
		}
	}
	if len(seeds) > 0 {
		f.seeds = seeds
	}
	for name := range f.seeds {
		delete(all, name)
	}
	return all
}

// attached returns the nodes that have a lane and are wanted. The caller holds mu.
func (f *fleet) attached() map[*node]bool {
	nodes := make(map[*node]bool)
	for l := range f.lists {
		if n := l.slot.node; n.ctx.Err() == nil {
			nodes[n] = true
		}
	}
	return nodes
}

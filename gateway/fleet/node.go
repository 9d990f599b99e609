package fleet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Node is a node in a fleet. It answers the calls that come to its control plane (control.NewInFleet) and the calls
// that other nodes forward. Its methods may be called from any goroutine.
//
// The order of its life: New, Join, Leave.
type Node struct {
	pb.UnsafeGatewayServiceServer
	core
	log   hclog.Logger
	began time.Time
	asker exchange.Asker

	violations violations
	shares     shares

	members      *member.Members
	exchange     *exchange.Exchange
	stopExchange func() // once: when the node is displaced, or leaves

	ending    context.Context // ends when Leave is called, and ends a Join under way
	end       context.CancelFunc
	lifecycle sync.Mutex // held by Join and Leave; order: docs/locks.md
	used      bool       // Join or Leave was called
	in        bool       // Join began something that Leave has to end
}

// New checks the configuration and returns a node that has not joined yet.
func New(c Config) (*Node, error) {
	switch {
	case !event.ValidNode(c.Fleet):
		return nil, fmt.Errorf("fleet %.50q: expected 1 to 32 of a-z, 0-9 and -", c.Fleet)
	case c.Bus == nil || c.Self == nil || c.Local == nil:
		return nil, errors.New("a fleet needs a Bus, a Self and a Local")
	}
	if err := checkPeerRoles(c.PeerRoles); err != nil {
		return nil, err
	}
	if c.ControlAddress != "" {
		if err := CheckControlAddress(c.ControlAddress); err != nil {
			return nil, fmt.Errorf("control address %.100q: %w", c.ControlAddress, err)
		}
	}
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	began, subjects := time.Now(), member.NewSubjects(c.Fleet)
	members := member.New(member.Config{Fleet: c.Fleet, Version: c.Version, Address: c.ControlAddress, Bus: c.Bus,
		Self: c.Self, Logger: c.Logger}, subjects, began)
	core := core{config: c, local: c.Local, roster: members}
	exchange := exchange.New(exchange.Config{Bus: c.Bus, Subjects: subjects, Self: members.Origin(), Began: began,
		Roster:  members,
		Answers: answering{core}, Logger: c.Logger,
		Admin: func(from, _ string) bool { return core.maxRole(from) == pb.Role_ROLE_ADMIN }})
	n := &Node{core: core, log: c.Logger, began: began, asker: exchange, members: members, exchange: exchange,
		shares:       newShares(),
		stopExchange: sync.OnceFunc(exchange.Stop)}
	n.ending, n.end = context.WithCancel(context.Background())
	return n, nil
}

// checkPeerRoles checks Config.PeerRoles, because an unknown role would let either nothing or everything through.
func checkPeerRoles(roles map[string]pb.Role) error {
	for node, role := range roles {
		if node != "*" && !event.ValidNode(node) {
			return fmt.Errorf("the role of peer %.50q: expected a node's name, 1 to 32 of a-z, 0-9 and -, or *", node)
		}
		if role != pb.Role_ROLE_VIEWER && role != pb.Role_ROLE_OPERATOR && role != pb.Role_ROLE_ADMIN {
			return fmt.Errorf("the role of peer %s is %s; expected VIEWER, OPERATOR or ADMIN", node, role)
		}
	}
	return nil
}

// Join makes the node take part in the fleet. A node joins once.
//
// Join waits at most 2 s for a connection and for a sign of another node with this node's name. Such a node is a
// *TwinError, and the node has not joined. Without a connection Join returns nil, at once if the bus could not make
// one; the node joins when there is one. Other errors are those of ctx and of the bus, and the node has not joined then
// either.
func (n *Node) Join(ctx context.Context) error {
	n.lifecycle.Lock()
	defer n.lifecycle.Unlock()
	if n.used {
		return fmt.Errorf("node %s joins fleet %s once: it has joined, or has left; make a new one", n.members.Origin().Node,
			n.config.Fleet)
	}
	n.used = true
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(n.ending, cancel)()
	if err := n.members.Listen(); err != nil {
		return err
	}
	if err := n.join(ctx); err != nil {
		n.members.GiveUp()
		return err
	}
	n.in = true
	return nil
}

// join begins to take part if there is no twin. The node answers requests before other nodes can hear of it.
func (n *Node) join(ctx context.Context) error {
	if err := n.members.Settle(ctx); err != nil {
		return fmt.Errorf("joining fleet %s: %w", n.config.Fleet, err)
	}
	if err := n.exchange.Start(); err != nil {
		return fmt.Errorf("joining fleet %s: %w", n.config.Fleet, err)
	}
	if err := n.members.Begin(n.stopExchange); err != nil {
		n.stopExchange()
		return err
	}
	return nil
}

// Leave ends everything that Join began, and then tells the others that the node leaves, so that its earlier answers
// still count. It waits up to 2 s for mutations under way, and it ends a Join under way. Without a Join, and a second
// time, it does nothing.
func (n *Node) Leave() {
	n.end()
	n.lifecycle.Lock()
	defer n.lifecycle.Unlock()
	n.used = true
	if !n.in {
		return
	}
	n.in = false
	n.stopExchange()
	n.members.Stop()
}

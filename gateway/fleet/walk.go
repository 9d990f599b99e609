package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	"github.com/sockgate/sockgate/gateway/fleet/internal/page"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	// walkNodes is the most nodes that a page asks. Nodes that cannot be asked do not count.
	walkNodes = 2
	// walkRoom is the size in bytes up to which a page asks another node too: a response has room for little more than one
	// node's rows.
	walkRoom = 512 << 10
)

// walk is one page of a walk through the rows of all nodes, in the order of the nodes' names and of each node's own
// rows.
type walk struct {
	nodes []member.Member // in the order of their names
	at    *page.Token
	room  int           // rows that still fit
	wait  time.Duration // how long a node has to answer
	// distrust replaces the answer of a node that says what it may not.
	distrust func(m member.Member, a exchange.Answer, cause error) exchange.Answer
	// ask asks one node for some of its rows.
	ask func(ctx context.Context, m member.Member, rows int, token string) exchange.Answer

	rows    []byte // encoded, as elements of field 1 of the response
	total   int64  // sum over the responses
	results []*pb.NodeResult
}

// run asks for rows until the page is full, enough nodes were asked, or half the time is over. A node that is asked
// later might have too little time to answer, and would be passed over although it is well. Afterwards w.at is the
// beginning of the next page; its node is empty at the end of the walk.
func (w *walk) run(ctx context.Context) {
	soon := time.Now().Add(within(ctx, w.wait) / 2)
	rest := w.rest()
	for asked := 0; len(rest) > 0; rest = rest[1:] {
		if asked == walkNodes || asked > 0 && !time.Now().Before(soon) || w.room == 0 || len(w.rows) > walkRoom {
			return
		}
		if rest[0].Asked() {
			asked++
		}
		if more := w.take(ctx, rest[0]); more {
			return
		}
	}
	w.at.Node, w.at.Own = "", ""
}

// rest returns the nodes that the walk has not been through. If the node that it was at is gone, the result names it.
func (w *walk) rest() []member.Member {
	for i, m := range w.nodes {
		switch {
		case m.Node == w.at.Node && w.at.Own != "":
			return w.nodes[i:]
		case m.Node > w.at.Node:
			w.lost()
			return w.nodes[i:]
		}
	}
	w.lost()
	return nil
}

// lost adds a result: the node of the walk has left, or was forgotten.
func (w *walk) lost() {
	if w.at.Own != "" {
		w.results = append(w.results, nodeResult(&exchange.Answer{Node: w.at.Node, Status: pb.NodeStatus_NODE_STATUS_LEFT,
			Message: "it left, or was forgotten, while the walk was at it"}))
	}
}

// take asks a node for its next rows, and reports whether it has more. Afterwards the walk is at that node, or past it.
func (w *walk) take(ctx context.Context, m member.Member) (more bool) {
	if m.Node != w.at.Node {
		w.at.Node, w.at.Own = m.Node, ""
	}
	a := w.ask(ctx, m, w.room, w.at.Own)
	if w.at.Own != "" && status.Code(a.Err) == codes.InvalidArgument {
		// The node accepted the request when the walk began there. So the token is wrong, because the node has restarted.
		a = exchange.Answer{Node: m.Node, Status: pb.NodeStatus_NODE_STATUS_RESTARTED, Elapsed: a.Elapsed,
			Message: "it restarted while the walk was at it: the connections that were still to come have ended"}
	}
	var p page.Page
	if a.OK() {
		var err error
		if p, err = page.Read(a.Body); err != nil {
			a, p = undecodable(a, err), page.Page{}
		} else if err := w.misguided(&m, &p); err != nil {
			a, p = w.distrust(m, a, err), page.Page{}
		}
	}
	w.results = append(w.results, nodeResult(&a))
	w.rows = append(w.rows, p.Rows...)
	w.room -= min(w.room, p.Count)
	w.total = plusSize(w.total, p.Total)
	w.at.Own = p.Next
	return p.Next != ""
}

// misguided returns an error if a node sent more rows than it was asked for, or a page that leads nowhere.
func (w *walk) misguided(m *member.Member, p *page.Page) error {
	switch {
	case p.Count > w.room:
		return fmt.Errorf("it sent %d rows; it was asked for %d", p.Count, w.room)
	case len(p.Rows) > contract.MaxResponse:
		return fmt.Errorf("it sent %d bytes of rows; expected at most %d", len(p.Rows), contract.MaxResponse)
	case p.Next != "" && p.Next == w.at.Own && !m.Self:
		return errors.New("it sent the token of the page that it was asked for as that of the next one")
	}
	return nil
}

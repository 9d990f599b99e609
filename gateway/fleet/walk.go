package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
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
	at    *walkToken
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
	w.at.node, w.at.token = "", ""
}

// rest returns the nodes that the walk has not been through. If the node that it was at is gone, the result names it.
func (w *walk) rest() []member.Member {
	for i, m := range w.nodes {
		switch {
		case m.Node == w.at.node && w.at.token != "":
			return w.nodes[i:]
		case m.Node > w.at.node:
			w.lost()
			return w.nodes[i:]
		}
	}
	w.lost()
	return nil
}

// lost adds a result: the node of the walk has left, or was forgotten.
func (w *walk) lost() {
	if w.at.token != "" {
		w.results = append(w.results, nodeResult(&exchange.Answer{Node: w.at.node, Status: pb.NodeStatus_NODE_STATUS_LEFT,
			Message: "it left, or was forgotten, while the walk was at it"}))
	}
}

// take asks a node for its next rows, and reports whether it has more. Afterwards the walk is at that node, or past it.
func (w *walk) take(ctx context.Context, m member.Member) (more bool) {
	if m.Node != w.at.node {
		w.at.node, w.at.token = m.Node, ""
	}
	a := w.ask(ctx, m, w.room, w.at.token)
	if w.at.token != "" && status.Code(a.Err) == codes.InvalidArgument {
		// The node accepted the request when the walk began there. So the token is wrong, because the node has restarted.
		a = exchange.Answer{Node: m.Node, Status: pb.NodeStatus_NODE_STATUS_RESTARTED, Elapsed: a.Elapsed,
			Message: "it restarted while the walk was at it: the connections that were still to come have ended"}
	}
	var p page
	if a.OK() {
		var err error
		if p, err = readPage(a.Body); err != nil {
			a, p = undecodable(a, err), page{}
		} else if err := w.misguided(&m, &p); err != nil {
			a, p = w.distrust(m, a, err), page{}
		}
	}
	w.results = append(w.results, nodeResult(&a))
	w.rows = append(w.rows, p.rows...)
	w.room -= min(w.room, p.count)
	w.total = plusSize(w.total, p.total)
	w.at.token = p.next
	return p.next != ""
}

// misguided returns an error if a node sent more rows than it was asked for, or a page that leads nowhere.
func (w *walk) misguided(m *member.Member, p *page) error {
	switch {
	case p.count > w.room:
		return fmt.Errorf("it sent %d rows; it was asked for %d", p.count, w.room)
	case len(p.rows) > contract.MaxResponse:
		return fmt.Errorf("it sent %d bytes of rows; expected at most %d", len(p.rows), contract.MaxResponse)
	case p.next != "" && p.next == w.at.token && !m.Self:
		return errors.New("it sent the token of the page that it was asked for as that of the next one")
	}
	return nil
}

// page has the fields that ListConnectionsResponse and ListBansResponse share under the same numbers.
type page struct {
	rows  []byte // still encoded, with their tags
	count int
	next  string
	total int64
}

// readPage reads an encoded response, but does not decode its rows.
func readPage(b []byte) (page, error) {
	var p page
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return page{}, fmt.Errorf("its page is cut or garbled: %w", protowire.ParseError(n))
		}
		length := protowire.ConsumeFieldValue(number, kind, b[n:])
		if length < 0 {
			return page{}, fmt.Errorf("its page is cut or garbled: %w", protowire.ParseError(length))
		}
		switch {
		case number == 1 && kind == protowire.BytesType:
			p.rows = append(p.rows, b[:n+length]...)
			p.count++
		case number == 2 && kind == protowire.BytesType:
			p.next, _ = protowire.ConsumeString(b[n:])
		case number == 3 && kind == protowire.VarintType:
			v, _ := protowire.ConsumeVarint(b[n:])
			p.total = int64(v)
		}
		b = b[n+length:]
	}
	return p, nil
}

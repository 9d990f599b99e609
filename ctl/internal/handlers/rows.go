package handlers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/units"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// rows print handlers and instances in any format.
type rows struct {
	*app.Rows
	app   *app.App
	rates *rates          // nil: totals are shown
	named map[string]bool // instances whose names were printed
}

// show prints an answer, with the rates since before, or with totals when that is nil.
func show(a *app.App, now, before *answer) error {
	r := newRows(a, newRates(now, before))
	for _, name := range handlerNames(now.ListInstancesResponse) {
		if err := r.addHandler(name, now.ListInstancesResponse); err != nil {
			return err
		}
	}
	return r.Flush()
}

// handlerNames are the names of all handlers of an answer, in their order.
func handlerNames(resp *pb.ListInstancesResponse) []string {
	var names []string
	for _, h := range resp.GetHandlers() {
		names = append(names, h.GetHandler())
	}
	for _, i := range resp.GetInstances() {
		names = append(names, i.GetHandler())
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// newRows chooses the columns.
func newRows(a *app.App, rates *rates) *rows {
	second := ""
	if rates != nil {
		second = "/S"
	}
	header := []string{"HANDLER", "INSTANCE", "NODE", "LANES", "CONNECTIONS", "HELD", "UNACKNOWLEDGED", "AGE",
		"DELIVERIES" + second, "COMMANDS" + second, "DRAINING", "SILENT"}
	if a.Wide() {
		header = append(header, "ATTACHED", "BY", "BYTES-DELIVERED", "BYTES-COMMANDED", "FAILED", "IGNORED")
	}
	return &rows{Rows: a.NewRows(header...), app: a, rates: rates, named: map[string]bool{}}
}

// addHandler adds the rows of one handler: its own, then its instances.
func (r *rows) addHandler(name string, resp *pb.ListInstancesResponse) error {
	for _, h := range resp.GetHandlers() {
		if h.GetHandler() != name || !r.wants(h, resp.GetInstances()) {
			continue
		}
		if err := r.addStatus(h); err != nil {
			return err
		}
	}
	for _, i := range resp.GetInstances() {
		if i.GetHandler() != name {
			continue
		}
		if err := r.addInstance(i); err != nil {
			return err
		}
	}
	return nil
}

// wants reports whether a handler has a row of its own. In a narrow table the rows of its instances tell the same.
func (r *rows) wants(h *pb.HandlerStatus, instances []*pb.Instance) bool {
	if r.app.Output != app.FormatTable || h.GetHeld() > 0 {
		return true
	}
	return !slices.ContainsFunc(instances, func(i *pb.Instance) bool {
		return i.GetHandler() == h.GetHandler() && i.GetNode() == h.GetNode()
	})
}

// addStatus adds the row of a handler on one node, whose name is no instance's.
func (r *rows) addStatus(h *pb.HandlerStatus) error {
	if r.app.Output == app.FormatName {
		return nil
	}
	cells := []string{h.GetHandler(), "", h.GetNode(), fmt.Sprint(h.GetLanes()), fmt.Sprint(h.GetConnections()),
		fmt.Sprint(h.GetHeld()), units.HumanBytes(h.GetUnacknowledgedBytes()), "", "", "", "", ""}
	if r.app.Wide() {
		cells = append(cells, "", "", "", "", fmt.Sprint(h.GetFailed()), fmt.Sprint(h.GetIgnoredCommands()))
	}
	return r.Add(h, "", cells...)
}

// addInstance adds the row of an instance on one node. A name is printed once, however many nodes and handlers have it.
func (r *rows) addInstance(i *pb.Instance) error {
	if r.app.Output == app.FormatName && r.named[i.GetInstance()] {
		return nil
	}
	r.named[i.GetInstance()] = true
	object, err := r.object(i)
	if err != nil {
		return err
	}
	deliveries, commands := r.counts(i)
	cells := []string{i.GetHandler(), i.GetInstance(), i.GetNode(), fmt.Sprint(i.GetLanes()),
		fmt.Sprint(i.GetConnections()), "", units.HumanBytes(i.GetUnacknowledgedBytes()),
		units.DurationText(i.GetUnacknowledgedAge()), deliveries, commands, fmt.Sprint(i.GetDraining()),
		units.DurationText(i.GetSilent())}
	if r.app.Wide() {
		cells = append(cells, r.app.TimeText(i.GetAttachedAt()), i.GetActor(), units.HumanBytes(i.GetBytesDelivered()),
			units.HumanBytes(i.GetBytesCommanded()), "", "")
	}
	return r.Add(object, i.GetInstance(), cells...)
}

// counts are the deliveries and commands of an instance, or how many there are in a second.
func (r *rows) counts(i *pb.Instance) (deliveries, commands string) {
	if r.rates == nil {
		return fmt.Sprint(i.GetDeliveries()), fmt.Sprint(i.GetCommands())
	}
	rate := r.rates.of(i)
	return rateText(rate.Deliveries), rateText(rate.Commands)
}

// object is an instance for programs, with its rates where they are asked for.
func (r *rows) object(i *pb.Instance) (any, error) {
	if r.rates == nil || !r.app.Structured() {
		return i, nil
	}
	return withRates(i, r.rates.of(i))
}

// withRates adds the rates to the object of an instance, behind its other fields.
func withRates(i proto.Message, rate rate) (json.RawMessage, error) {
	text, err := app.Marshal(i)
	if err != nil {
		return nil, err
	}
	more, err := json.Marshal(rate)
	if err != nil {
		return nil, err
	}
	return slices.Concat(bytes.TrimSuffix(text, []byte("}")), []byte(","), bytes.TrimPrefix(more, []byte("{"))), nil
}

// rateText shows a rate with one digit behind the point; empty if it is not known.
func rateText(rate *float64) string {
	if rate == nil {
		return ""
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", *rate), ".0")
}

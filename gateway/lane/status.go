package lane

import (
	"cmp"
	"slices"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

// Status is a handler at one moment.
type Status struct {
	Name           string
	Lanes          int
	Connections    int64  // that a lane owns
	Held           int    // connections that wait for a lane
	Failed         uint64 // connections closed because of the handler, since Start
	Ignored        uint64 // commands for connections of other lanes, since Start
	Unacknowledged uint64 // bytes
}

// Instance is one program that is attached to a handler.
type Instance struct {
	Handler        string
	Name           string
	Actor          event.Actor // that opened its oldest lane
	Lanes          int
	Connections    int64
	Unacknowledged uint64        // bytes
	Age            time.Duration // of the connection that has waited longest for an acknowledgement
	Deliveries     uint64        // with data
	Commands       uint64
	Delivered      uint64 // bytes
	Commanded      uint64 // bytes
	Draining       bool   // all of its lanes drain
	AttachedAt     time.Time
	Silent         time.Duration // of its most silent lane
}

// List returns the handlers, in the order of their names, and their instances, in the order of (handler, instance):
// all, or those of one handler. It looks at every connection of the lanes, and takes about 0.1 µs for each.
func (t *Table) List(handler string) (handlers []Status, instances []Instance) {
	for _, name := range t.Names() {
		if handler != "" && handler != name {
			continue
		}
		status, found := t.handlers[name].list()
		handlers = append(handlers, status)
		instances = append(instances, found...)
	}
	return handlers, instances
}

func (h *Handler) list() (Status, []Instance) {
	s := Status{Name: h.name, Held: h.watches.waiting(&h.watches.held), Failed: h.failed.Load(),
		Ignored: h.ignored.Load()}
	byName := make(map[string]*Instance)
	for _, l := range h.attached() {
		i := byName[l.instance]
		if i == nil {
			i = &Instance{Handler: h.name, Name: l.instance, Actor: l.actor, Draining: true, AttachedAt: l.opened}
			byName[l.instance] = i
		}
		l.addTo(i)
		s.Lanes++
	}
	instances := make([]Instance, 0, len(byName))
	for _, i := range byName {
		s.Connections += i.Connections
		s.Unacknowledged += i.Unacknowledged
		instances = append(instances, *i)
	}
	slices.SortFunc(instances, func(a, b Instance) int { return cmp.Compare(a.Name, b.Name) })
	return s, instances
}

// addTo adds the lane's figures to its instance's.
func (l *Lane) addTo(i *Instance) {
	now := l.handler.table.now.Load()
	i.Lanes++
	i.Connections += l.count.Load()
	i.Draining = i.Draining && l.drains()
	i.Silent = max(i.Silent, time.Duration(now-l.heard.Load()))
	i.Deliveries += l.stats.deliveries.Load()
	i.Delivered += l.stats.delivered.Load()
	i.Commands += l.stats.commands.Load()
	i.Commanded += l.stats.commanded.Load()
	for _, o := range l.all() {
		o.mu.Lock()
		if b := o.backlog; b != nil {
			i.Unacknowledged += b.unacknowledged()
			i.Age = max(i.Age, time.Duration(now-b.since))
		}
		o.mu.Unlock()
	}
}

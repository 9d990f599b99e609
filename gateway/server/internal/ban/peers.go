package ban

import (
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

// PutPeers bans peers for a time, all or none, and returns the first named of the targets, in their order. An existing
// ban of the same target stays if it ends later. The error is that of New or PutAll.
func (l *List) PutPeers(peers map[Target]bool, lasts time.Duration, reason string, by event.Actor,
	named int) (names []string, kept *Receipt, err error) {
	var added []*Ban
	for target := range peers {
		b, err := New(target, lasts, reason, by)
		if err != nil {
			return nil, nil, err
		}
		added = append(added, b)
	}
	if len(added) == 0 {
		return nil, nil, nil
	}
	if kept, err = l.PutAll(added); err != nil {
		return nil, nil, err
	}
	for _, b := range added[:min(len(added), named)] {
		names = append(names, b.Target.String())
	}
	return names, kept, nil
}

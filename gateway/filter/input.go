package filter

import (
	"sync"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/sockgate/sockgate/gateway/server"
)

// input is what one match reads: it makes the value of a variable when the expression asks for it.
type input struct {
	info   *server.Info
	now    time.Time // zero until it is known
	labels labels
}

var _ cel.Activation = (*input)(nil)

// inputs spares each match an allocation.
var inputs = sync.Pool{New: func() any { return new(input) }}

// ResolveName returns the value of a variable.
func (in *input) ResolveName(name string) (any, bool) {
	v, ok := byName[name]
	if !ok {
		return nil, false
	}
	return v.read(in), true
}

// Parent returns nil: there are no other variables.
func (in *input) Parent() cel.Activation { return nil }

// since is the time that has passed since t: until now, or until the end of a connection that is closed.
func (in *input) since(t time.Time) ref.Val {
	end := in.info.ClosedAt
	if in.info.Live() {
		if in.now.IsZero() {
			in.now = time.Now()
		}
		end = in.now
	}
	return types.Duration{Duration: max(end.Sub(t), 0)}
}

// labelMap returns the connection's labels.
func (in *input) labelMap() ref.Val {
	in.labels.set = in.info.Labels
	return &in.labels
}

package filter

import (
	"sync"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/sockgate/sockgate/gateway/server"
)

// input is the activation of one match: it makes the value of a variable when the expression asks for it.
type input struct {
	info   *server.Connection
	now    time.Time // zero until the clock is read
	labels labels
}

var _ cel.Activation = (*input)(nil)

// inputs spares each match the allocation of an input.
var inputs = sync.Pool{New: func() any { return new(input) }}

// ResolveName returns the value of a variable.
func (in *input) ResolveName(name string) (any, bool) {
	v, ok := byName[name]
	if !ok {
		return nil, false
	}
	return v.read(in), true
}

// Parent returns nil: filters have no other scope of variables.
func (in *input) Parent() cel.Activation { return nil }

// since returns the time from t until now, or until the end of a closed connection. It is never negative.
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

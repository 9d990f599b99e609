package app

import (
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sockgate/sockgate/ctl/internal/units"
)

// TimeText shows a point in time with its date, in the zone of the clock; empty if it is absent.
func (a *App) TimeText(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().In(a.Env.Now().Location()).Format("2006-01-02T15:04:05.000Z07:00")
}

// since shows how long ago a point in time was; empty if it is absent.
func (a *App) since(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	// The gateway's clock may be a little ahead of ours.
	return units.HumanDuration(max(0, a.Env.Now().Sub(t.AsTime())))
}

// EnumText is an enum value's name without its prefix, as filters and documents use it; empty for the zero value.
func EnumText(name, prefix string) string {
	name = strings.TrimPrefix(name, prefix)
	if name == "UNSPECIFIED" {
		return ""
	}
	return name
}

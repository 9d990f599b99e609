package fleet

import "github.com/sockgate/sockgate/gateway/fleet/internal/member"

// core is what a node knows and answers by itself, without asking another one.
type core struct {
	config Config
	local  Local
	roster member.Roster
}

package fleet

import "github.com/sockgate/sockgate/gateway/fleet/internal/member"

// Roster is a node's membership, for tests outside the package.
type Roster struct{ roster member.Roster }

// Roster returns the node's membership.
func (n *Node) Roster() Roster { return Roster{n.roster} }

// Self calls member.Roster.Self, and the methods below do likewise.
func (r Roster) Self() member.Member                       { return r.roster.Self() }
func (r Roster) All() []member.Member                      { return r.roster.All() }
func (r Roster) Known() []member.Member                    { return r.roster.Known() }
func (r Roster) Find(name string) (member.Member, bool)    { return r.roster.Find(name) }
func (r Roster) Changed() <-chan struct{}                  { return r.roster.Changed() }
func (r Roster) Forget(name string) (member.Member, error) { return r.roster.Forget(name) }

// MostMembers is the most members that a node keeps.
const MostMembers = member.MostMembers

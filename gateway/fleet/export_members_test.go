package fleet

// Roster is a node's membership, for the tests outside of the package.
type Roster struct{ roster roster }

// Roster returns the node's membership.
func (n *Node) Roster() Roster { return Roster{n.roster} }

// Self is roster.self, and so on.
func (r Roster) Self() Member                       { return r.roster.self() }
func (r Roster) All() []Member                      { return r.roster.all() }
func (r Roster) Known() []Member                    { return r.roster.known() }
func (r Roster) Find(name string) (Member, bool)    { return r.roster.find(name) }
func (r Roster) Changed() <-chan struct{}           { return r.roster.changed() }
func (r Roster) Forget(name string) (Member, error) { return r.roster.forget(name) }

// MostMembers is the bound.
const MostMembers = mostMembers

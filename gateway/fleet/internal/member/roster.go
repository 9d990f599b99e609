package member

// Roster is the membership as the verbs and the streams use it. Its methods may be called from any goroutine and do not
// block.
type Roster interface {
	// Self returns this node: LIVE, DRAINING or DISPLACED.
	Self() Member
	// All returns the members that are expected to answer, this node included, in the order of their names. Members that
	// LEFT are not among them.
	All() []Member
	// Known returns All and the members that LEFT and are not forgotten.
	Known() []Member
	// Find returns a known member.
	Find(name string) (Member, bool)
	// Changed returns a channel that is closed when a member joins, leaves, restarts, is forgotten, or changes its state.
	Changed() <-chan struct{}
	// Forget removes a member that is UNREACHABLE or LEFT. The error is a *contract.Problem: UNKNOWN_NODE or NODE_LIVE.
	Forget(name string) (Member, error)
}

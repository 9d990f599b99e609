package plan

// ProxyMode says whether connections begin with a PROXY header.
type ProxyMode int

// The modes. Package server documents them.
const (
	ProxyOff ProxyMode = iota
	ProxyOptional
	ProxyRequired
)

// String returns the mode's name in flags.
func (m ProxyMode) String() string {
	switch m {
	case ProxyOptional:
		return "optional"
	case ProxyRequired:
		return "required"
	}
	return "off"
}

// IdleAction is the action for an idle connection.
type IdleAction int

// The idle actions. Package server documents them.
const (
	IdleClose IdleAction = iota
	IdleNotify
)

// String returns the action's name in flags.
func (a IdleAction) String() string {
	if a == IdleNotify {
		return "notify"
	}
	return "close"
}

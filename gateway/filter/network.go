package filter

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"
)

// ipIn is the name of the function that reports whether an IP address is in a network.
const ipIn = "ip_in"

// maxNetwork is the greatest length of a network that is not a constant, in bytes. To quote a longer text in an error
// took ten times as long as the estimate of a call allows.
const maxNetwork = 128

// errNoNetwork is the failure of a match, and no caller sees it.
var errNoNetwork = errors.New("the text is neither an IP address nor a CIDR prefix")

// ipInFunction declares ip_in and its binding for a network that is not a constant.
func ipInFunction() cel.EnvOption {
	binding := cel.BinaryBinding(func(ip, network ref.Val) ref.Val {
		text := string(network.(types.String))
		if len(text) > maxNetwork {
			return types.WrapErr(errNoNetwork)
		}
		prefix, err := parseNetwork(text)
		if err != nil {
			return types.WrapErr(errNoNetwork)
		}
		return within(ip, prefix)
	})
	strings := []*cel.Type{cel.StringType, cel.StringType}
	return cel.Function(ipIn, cel.Overload("ip_in_string_string", strings, cel.BoolType, binding))
}

// fixNetworks makes a call of ip_in parse a constant network once, when the program is planned.
func fixNetworks(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	call, ok := i.(interpreter.InterpretableCall)
	if !ok || call.Function() != ipIn {
		return i, nil
	}
	constant, ok := call.Args()[1].(interpreter.InterpretableConst)
	if !ok {
		return i, nil
	}
	prefix, err := parseNetwork(string(constant.Value().(types.String)))
	if err != nil {
		return nil, err
	}
	return interpreter.NewCall(call.ID(), ipIn, call.OverloadID(), call.Args(), func(args ...ref.Val) ref.Val {
		return within(args[0], prefix)
	}), nil
}

// within reports whether the address is in the network. The empty address of a unix socket is in no network.
func within(ip ref.Val, network netip.Prefix) ref.Val {
	s, ok := ip.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(ip)
	}
	if s == "" {
		return types.False
	}
	addr, err := netip.ParseAddr(string(s))
	if err != nil {
		return types.WrapErr(err)
	}
	return types.Bool(network.Contains(addr.WithZone("").Unmap()))
}

// parseNetwork reads a CIDR prefix, or one address as a network of its own. It ignores bits behind the prefix, and the
// zone of an address.
func parseNetwork(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		addr, err := netip.ParseAddr(s)
		if err != nil {
			return netip.Prefix{}, fmt.Errorf("%q is neither an IP address nor a CIDR prefix", s)
		}
		addr = addr.WithZone("").Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is not a CIDR prefix", s)
	}
	if prefix.Addr().Is4In6() && prefix.Bits() >= 96 {
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96)
	}
	return prefix, nil
}

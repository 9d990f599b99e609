package bounds_test

import (
	"errors"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/server/internal/bounds"
)

// TestDefaultsAreValid holds that limits with one or none set are valid once the others have their defaults.
func TestDefaultsAreValid(t *testing.T) {
	for name, l := range map[string]bounds.Limits{
		"none": {}, "a low high water": {HighWater: 1}, "a high water above the default queue": {HighWater: 2 << 20},
		"a slow rate": {AcceptRate: 0.1, AcceptRatePerIP: 0.1}, "the fastest rate": {AcceptRate: 1e6},
	} {
		l.SetDefaults()
		if err := l.Validate(nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if l.LowWater != l.HighWater/2 || l.SendQueueLimit < l.HighWater || l.WriteTimeout != 30*time.Second ||
			l.HandshakeTimeout != 10*time.Second || l.MaxHandshakes != 1024 || l.HoldTimeout != 30*time.Second ||
			l.AdmitTimeout != 10*time.Second || l.HandlerWindow != 64<<10 || l.MaxHeld != 0 || l.HandlerBudget != 0 ||
			l.AcceptBurst != int(math.Ceil(l.AcceptRate)) || l.AcceptBurstPerIP != int(math.Ceil(l.AcceptRatePerIP)) {
			t.Errorf("%s: defaults %+v", name, l)
		}
	}
}

// TestSetDefaultsKeeps holds that a limit that is set stays.
func TestSetDefaultsKeeps(t *testing.T) {
	l := bounds.Limits{HighWater: 10, LowWater: 1, SendQueueLimit: 20, WriteTimeout: 1, HandshakeTimeout: time.Minute,
		MaxHandshakes: 1, AcceptRate: 5, AcceptBurst: 9, AcceptRatePerIP: 5, AcceptBurstPerIP: 9,
		HoldTimeout: bounds.NoHold, AdmitTimeout: time.Minute, HandlerWindow: 4 << 10}
	before := l
	l.SetDefaults()
	if !reflect.DeepEqual(l, before) {
		t.Errorf("%+v of %+v", l, before)
	}
}

// TestNoHoldIsValid holds that a server may close connections that no instance takes at once.
func TestNoHoldIsValid(t *testing.T) {
	l := bounds.Limits{HoldTimeout: bounds.NoHold}
	l.SetDefaults()
	if err := l.Validate(nil); err != nil || l.HoldTimeout != bounds.NoHold {
		t.Errorf("%s: %v", l.HoldTimeout, err)
	}
}

// TestValidateNames holds that an error names the field as the contract has it, what was given and what is expected.
func TestValidateNames(t *testing.T) {
	type limits = bounds.Limits
	for want, change := range map[string]func(*limits){
		"low_water: low water 11: expected 0 to 10": func(l *limits) { l.HighWater, l.LowWater = 10, 11 },
		"send_queue_limit: send queue limit 9: expected at least 10": func(l *limits) {
			l.HighWater, l.LowWater, l.SendQueueLimit = 10, 5, 9
		},
		"handshake_timeout: handshake timeout 2h0m0s: expected 1ms to 1h0m0s": func(l *limits) {
			l.HandshakeTimeout = 2 * time.Hour
		},
		"write_timeout: write timeout -1ns: expected at least 1ns":       func(l *limits) { l.WriteTimeout = -1 },
		"hold_timeout: hold timeout 2h0m0s: expected 0s to 1h0m0s":       func(l *limits) { l.HoldTimeout = 2 * time.Hour },
		"hold_timeout: hold timeout -2ns: expected 0s to 1h0m0s":         func(l *limits) { l.HoldTimeout = bounds.NoHold - 1 },
		"admit_timeout: admit timeout 1ns: expected 1ms to 1h0m0s":       func(l *limits) { l.AdmitTimeout = 1 },
		"handler_window: handler window 1: expected 4096 to 1048576":     func(l *limits) { l.HandlerWindow = 1 },
		"accept_rate: accept rate NaN: expected 0 (no limit) to 1000000": func(l *limits) { l.AcceptRate = math.NaN() },
		"accept_burst: accept burst -1: expected 1 to 1000000": func(l *limits) {
			l.AcceptRate, l.AcceptBurst = 1, -1
		},
		"deny: deny has 10001 networks: expected at most 10000": func(l *limits) {
			l.Deny = make([]netip.Prefix, 10_001)
		},
		`listener_connections: listener connections of "b": there is no`: func(l *limits) {
			l.ListenerConnections = map[string]int{"a": 0, "b": 1}
		},
		`listener_connections: listener connections of "a": -1: expected 0`: func(l *limits) {
			l.ListenerConnections = map[string]int{"a": -1}
		},
	} {
		var l bounds.Limits
		l.SetDefaults()
		change(&l)
		var bad *bounds.Error
		if err := l.Validate([]string{"a"}); !errors.As(err, &bad) || !strings.HasPrefix(bad.Field+": "+bad.Text, want) {
			t.Errorf("%+v; expected %s", err, want)
		}
	}
}

// TestFollow holds that a limit that depends on another follows it, unless it was changed or had a value of its own.
func TestFollow(t *testing.T) {
	old := bounds.Limits{HighWater: 100, LowWater: 50, AcceptRate: 2.5, AcceptBurst: 3, AcceptRatePerIP: 1,
		AcceptBurstPerIP: 7}
	l := old
	l.HighWater, l.AcceptRate, l.AcceptRatePerIP = 40, 10, 10
	l.Follow(&old)
	if l.LowWater != 20 || l.AcceptBurst != 10 || l.AcceptBurstPerIP != 7 {
		t.Errorf("low water %d, bursts %d and %d; expected 20, 10 and 7", l.LowWater, l.AcceptBurst, l.AcceptBurstPerIP)
	}
	l = old
	l.AcceptRate, l.AcceptBurst = 10, 20
	if l.Follow(&old); l.AcceptBurst != 20 {
		t.Errorf("burst %d; expected 20, which was asked for", l.AcceptBurst)
	}
}

package control

import (
	"fmt"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// The bounds of requests; the comments of the contract state the same.
const (
	maxFilter       = 4096
	maxIDs          = 1000
	maxIDLength     = 256 // a real one has at most 70
	maxSend         = 1 << 20
	maxBroadcast    = 512 << 10
	maxFarewell     = 64 << 10
	maxText         = 256
	maxSendWait     = time.Minute
	maxFlushTimeout = 30 * time.Second
	maxGracePeriod  = 24 * time.Hour
	maxDataBytes    = 64 << 10
	maxRequestTypes = 64
	maxCursorLength = 128 << 10
	maxNodes        = 1000 // of a scope
	maxNodeTimeout  = time.Minute
	maxIdentity     = 1024 // of a ban
	maxNetwork      = 64   // an IP address or a network as text; a real one has at most 49
)

var uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// validate checks a request against its bounds, one function a request. The error is a *boundsError or an *idError.
func validate(request any) error {
	if r, ok := request.(interface{ GetScope() *pb.Scope }); ok {
		if err := validateScope(r.GetScope()); err != nil {
			return err
		}
	}
	switch r := request.(type) {
	case *pb.ListConnectionsRequest:
		return validateList(r)
	case *pb.CountConnectionsRequest:
		return validateCount(r)
	case *pb.GetConnectionRequest:
		return validateID("id", r.GetId())
	case *pb.SendRequest:
		return validateSend(r)
	case *pb.BroadcastRequest:
		return validateBroadcast(r)
	case *pb.KickRequest:
		return validateKick(r)
	case *pb.SetLabelsRequest:
		return validateSetLabels(r)
	case *pb.ShutdownRequest:
		return validateShutdown(r)
	case *pb.StreamEventsRequest:
		return validateStreamEvents(r)
	case *pb.UpdateLimitsRequest:
		return validateUpdateLimits(r)
	case *pb.AddBanRequest:
		return validateAddBan(r)
	case *pb.ListBansRequest:
		return check(r.GetPageSize() >= 0, "page_size", "%d is negative; expected 0 (%d) to %d", r.GetPageSize(), defaultPage, maxPage)
	case *pb.RemoveBanRequest:
		return validateBanTarget(r.GetTarget(), r.GetIdentity())
	case *pb.ForgetNodeRequest:
		return nodeName("node", r.GetNode())
	}
	return nil
}

// first returns the first error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func check(ok bool, field, format string, args ...any) error {
	if ok {
		return nil
	}
	return &boundsError{field: field, text: fmt.Sprintf(format, args...)}
}

func validateList(r *pb.ListConnectionsRequest) error {
	return first(
		check(r.GetPageSize() >= 0, "page_size", "%d is negative; expected 0 (%d) to %d", r.GetPageSize(), defaultPage, maxPage),
		validateFilter(r.GetFilter()),
		validateState(r.GetState()),
	)
}

func validateCount(r *pb.CountConnectionsRequest) error {
	_, err := groupBy(r.GetBy())
	return first(validateFilter(r.GetFilter()), validateState(r.GetState()), err)
}

func validateState(s pb.ListState) error {
	return check(pb.ListState_name[int32(s)] != "", "state", "%d is not a ListState", s)
}

func validateSend(r *pb.SendRequest) error {
	return first(
		validateID("id", r.GetId()),
		size("data", len(r.GetData()), 1, maxSend),
		check(pb.SendWait_name[int32(r.GetWait())] != "", "wait", "%d is not a SendWait", r.GetWait()),
		period("wait_timeout", r.GetWaitTimeout(), maxSendWait),
	)
}

func validateBroadcast(r *pb.BroadcastRequest) error {
	return first(
		size("data", len(r.GetData()), 1, maxBroadcast),
		validateFilter(r.GetFilter()),
		count("exclude_ids", len(r.GetExcludeIds())),
		everyID("exclude_ids", r.GetExcludeIds()),
		check(r.GetRequestId() == "" || uuid.MatchString(r.GetRequestId()), "request_id",
			"%.50q is not a UUID; expected for example 123e4567-e89b-42d3-a456-426614174000, or nothing", r.GetRequestId()),
	)
}

func validateKick(r *pb.KickRequest) error {
	return first(
		targets(r.GetConnectionIds(), r.GetFilter()),
		text("reason", r.GetReason()),
		size("farewell", len(r.GetFarewell()), 0, maxFarewell),
		period("flush_timeout", r.GetFlushTimeout(), maxFlushTimeout),
		period("ban_duration", r.GetBanDuration(), server.MaxBanDuration),
	)
}

func validateSetLabels(r *pb.SetLabelsRequest) error {
	if err := first(
		targets(r.GetConnectionIds(), r.GetFilter()),
		check(len(r.GetSet())+len(r.GetRemove()) > 0, "set", "nothing to set or remove; expected at least one label"),
		check(len(r.GetSet()) <= server.MaxLabels, "set", "%d labels; expected at most %d", len(r.GetSet()), server.MaxLabels),
		check(len(r.GetRemove()) <= server.MaxLabels, "remove", "%d keys; expected at most %d", len(r.GetRemove()), server.MaxLabels),
	); err != nil {
		return err
	}
	for key, value := range r.GetSet() {
		if err := first(labelKey("set", key), check(len(value) <= server.MaxLabelValue && utf8.ValidString(value), "set",
			"the value of %q has %d bytes; expected at most %d bytes of UTF-8", key, len(value), server.MaxLabelValue)); err != nil {
			return err
		}
	}
	for _, key := range r.GetRemove() {
		_, both := r.GetSet()[key]
		if err := first(labelKey("remove", key), check(!both, "remove", "%q is both set and removed; expected one of them", key)); err != nil {
			return err
		}
	}
	return nil
}

func labelKey(field, key string) error {
	return check(server.ValidLabelKey(key), field, "%.70q is not a label key; expected 1 to %d of a-z, 0-9, '.', '_' and '-'", key, server.MaxLabelKey)
}

func validateShutdown(r *pb.ShutdownRequest) error {
	return first(
		period("grace_period", r.GetGracePeriod(), maxGracePeriod),
		text("reason", r.GetReason()),
		size("farewell", len(r.GetFarewell()), 0, maxFarewell),
	)
}

func validateStreamEvents(r *pb.StreamEventsRequest) error {
	if err := first(
		validateFilter(r.GetFilter()),
		check(len(r.GetTypes()) <= maxRequestTypes, "types", "%d types; expected at most %d", len(r.GetTypes()), maxRequestTypes),
		check(!r.GetSnapshot() || r.GetAfter() == "", "snapshot", "given together with after; expected one of them: a snapshot begins a stream, a cursor resumes one"),
		check(r.GetMaxDataBytes() >= 0 && r.GetMaxDataBytes() <= maxDataBytes, "max_data_bytes", "%d; expected 0 (%d) to %d",
			r.GetMaxDataBytes(), defaultMaxDataSize, maxDataBytes),
		check(len(r.GetAfter()) <= maxCursorLength, "after", "%d bytes; expected a cursor as an earlier response gave it", len(r.GetAfter())),
	); err != nil {
		return err
	}
	for _, t := range r.GetTypes() {
		if err := check(t != 0 && pb.EventType_name[int32(t)] != "", "types", "%d is not an EventType", t); err != nil {
			return err
		}
	}
	return nil
}

func validateUpdateLimits(r *pb.UpdateLimitsRequest) error {
	_, err := limitChanges(r)
	return err
}

func validateAddBan(r *pb.AddBanRequest) error {
	return first(
		validateBanTarget(r.GetTarget(), r.GetIdentity()),
		period("duration", r.GetDuration(), server.MaxBanDuration),
		text("reason", r.GetReason()),
	)
}

func validateBanTarget(target string, identity bool) error {
	if identity {
		return size("target", len(target), 1, maxIdentity)
	}
	return size("target", len(target), 1, maxNetwork)
}

func validateID(field, id string) error {
	if _, err := server.ParseID(id); err != nil {
		return &idError{field: field, id: id, err: err}
	}
	return nil
}

func everyID(field string, ids []string) error {
	for _, id := range ids {
		if err := validateID(field, id); err != nil {
			return err
		}
	}
	return nil
}

// targets checks that connections are named in one of the two ways. A malformed ID is an outcome, but one that no ID could be
// as long as is refused: outcomes and the event log repeat what was given.
func targets(ids []string, expr string) error {
	return first(
		check(len(ids) > 0 || expr != "", "connection_ids", "neither connection_ids nor filter is given; expected one of them (the filter `true` means all)"),
		check(len(ids) == 0 || expr == "", "filter", "given together with connection_ids; expected one of them"),
		count("connection_ids", len(ids)),
		check(!slices.ContainsFunc(ids, func(id string) bool { return len(id) > maxIDLength }), "connection_ids",
			"an ID has more than %d bytes; expected node.incarnation.seq, for example edge-1.19ab0d3f1c2.42", maxIDLength),
		validateFilter(expr),
	)
}

func validateFilter(expr string) error { return size("filter", len(expr), 0, maxFilter) }

func count(field string, n int) error {
	return check(n <= maxIDs, field, "%d IDs; expected at most %d in one call", n, maxIDs)
}

func size(field string, n, low, high int) error {
	return check(n >= low && n <= high, field, "%d bytes; expected %d to %d", n, low, high)
}

func text(field, s string) error {
	return check(len(s) <= maxText, field, "%d bytes; expected at most %d", len(s), maxText)
}

func period(field string, d *durationpb.Duration, most time.Duration) error {
	if d == nil {
		return nil
	}
	return check(d.IsValid() && d.AsDuration() >= 0 && d.AsDuration() <= most, field, "%ds %dns; expected 0 to %s", d.GetSeconds(), d.GetNanos(), most)
}

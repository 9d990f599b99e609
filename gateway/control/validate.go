package control

import (
	"errors"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/lane"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// parse checks a request against its bounds, by one function for each request. It returns the part that it parsed and
// the service needs: a server.GroupBy of a CountConnectionsRequest, the *changes of an UpdateLimitsRequest, nil of any
// other. The error is a *contract.BoundsError or a *contract.IDError.
func parse(request any) (any, error) {
	if r, ok := request.(interface{ GetScope() *pb.Scope }); ok {
		if err := validateScope(r.GetScope()); err != nil {
			return nil, err
		}
	}
	switch r := request.(type) {
	case *pb.CountConnectionsRequest:
		return parseCount(r)
	case *pb.UpdateLimitsRequest:
		return limitChanges(r)
	}
	return nil, validateOne(request)
}

// validateOne checks a request that has nothing to parse.
func validateOne(request any) error {
	switch r := request.(type) {
	case *pb.ListConnectionsRequest:
		return validateList(r)
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
	case *pb.AddBanRequest:
		return validateAddBan(r)
	case *pb.ListBansRequest:
		return validatePageSize(r.GetPageSize())
	case *pb.RemoveBanRequest:
		return validateBanTarget(r.GetTarget(), r.GetIdentity())
	case *pb.ForgetNodeRequest:
		return nodeName("node", r.GetNode())
	case *pb.ListInstancesRequest:
		return size("handler", len(r.GetHandler()), 0, lane.MaxHandler)
	case *pb.DrainInstanceRequest:
		return validateDrainInstance(r)
	case *pb.GetGatewayRequest, *pb.GetLimitsRequest, *pb.ListNodesRequest: // they have a scope at most
		return nil
	}
	if m, ok := request.(proto.Message); ok &&
		m.ProtoReflect().Descriptor().ParentFile() == pb.File_sockgate_v1_gateway_service_proto {
		return errNotValidated
	}
	return nil // a request of gRPC's own services
}

// errNotValidated refuses a request of the contract that has no case above, rather than let it in unchecked.
var errNotValidated = errors.New("the gateway has no validation of this request")

func validateList(r *pb.ListConnectionsRequest) error {
	return contract.First(
		validatePageSize(r.GetPageSize()),
		validateFilter(r.GetFilter()),
		validateState(r.GetState()),
	)
}

func validatePageSize(n int32) error {
	return contract.Check(n >= 0, "page_size", "%d is negative; expected 0 (%d) to %d", n, contract.DefaultPage,
		contract.MaxPage)
}

// parseCount checks a request and returns its server.GroupBy.
func parseCount(r *pb.CountConnectionsRequest) (any, error) {
	if err := contract.First(validateFilter(r.GetFilter()), validateState(r.GetState())); err != nil {
		return nil, err
	}
	return groupBy(r)
}

func validateState(s pb.ListState) error {
	return contract.Check(pb.ListState_name[int32(s)] != "", "state", "%d is not a ListState", s)
}

func validateSend(r *pb.SendRequest) error {
	return contract.First(
		validateID("id", r.GetId()),
		size("data", len(r.GetData()), 1, contract.MaxSend),
		contract.Check(pb.SendWait_name[int32(r.GetWait())] != "", "wait", "%d is not a SendWait", r.GetWait()),
		period("wait_timeout", r.GetWaitTimeout(), contract.MaxSendWait),
	)
}

func validateBroadcast(r *pb.BroadcastRequest) error {
	return contract.First(
		size("data", len(r.GetData()), 1, contract.MaxBroadcast),
		validateFilter(r.GetFilter()),
		count("exclude_ids", len(r.GetExcludeIds())),
		everyID("exclude_ids", r.GetExcludeIds()),
		validateUUID("request_id", r.GetRequestId()),
	)
}

// validateUUID accepts only the form of 36 characters: uuid also parses a URN, braces and bare digits.
func validateUUID(field, id string) error {
	ok := id == "" || len(id) == len(uuid.Nil.String()) && uuid.Validate(id) == nil
	return contract.Check(ok, field,
		"%.50q is not a UUID; expected for example 123e4567-e89b-42d3-a456-426614174000, or nothing", id)
}

func validateKick(r *pb.KickRequest) error {
	return contract.First(
		targets(r.GetConnectionIds(), r.GetFilter()),
		reasonText(r.GetReason()),
		size("farewell", len(r.GetFarewell()), 0, contract.MaxFarewell),
		period("flush_timeout", r.GetFlushTimeout(), contract.MaxFlushTimeout),
		period("ban_duration", r.GetBanDuration(), server.MaxBanDuration),
	)
}

func validateSetLabels(r *pb.SetLabelsRequest) error {
	if err := contract.First(
		targets(r.GetConnectionIds(), r.GetFilter()),
		contract.Check(len(r.GetSet())+len(r.GetRemove()) > 0, "set",
			"nothing to set or remove; expected at least one label"),
		contract.Check(len(r.GetSet()) <= server.MaxLabels, "set", "%d labels; expected at most %d", len(r.GetSet()),
			server.MaxLabels),
		contract.Check(len(r.GetRemove()) <= server.MaxLabels, "remove", "%d keys; expected at most %d",
			len(r.GetRemove()), server.MaxLabels),
	); err != nil {
		return err
	}
	for key, value := range r.GetSet() {
		if err := contract.First(labelKey("set", key), contract.Check(len(value) <= server.MaxLabelValue &&
			utf8.ValidString(value), "set",
			"the value of %q has %d bytes; expected at most %d bytes of UTF-8", key, len(value),
			server.MaxLabelValue)); err != nil {
			return err
		}
	}
	for _, key := range r.GetRemove() {
		_, both := r.GetSet()[key]
		if err := contract.First(labelKey("remove", key),
			contract.Check(!both, "remove", "%q is both set and removed; expected one of them", key)); err != nil {
			return err
		}
	}
	return nil
}

func labelKey(field, key string) error {
	return contract.Check(server.ValidLabelKey(key), field,
		"%.70q is not a label key; expected 1 to %d of a-z, 0-9, '.', '_' and '-'", key, server.MaxLabelKey)
}

func validateShutdown(r *pb.ShutdownRequest) error {
	return contract.First(
		period("grace_period", r.GetGracePeriod(), contract.MaxGracePeriod),
		reasonText(r.GetReason()),
		size("farewell", len(r.GetFarewell()), 0, contract.MaxFarewell),
	)
}

func validateStreamEvents(r *pb.StreamEventsRequest) error {
	if err := contract.First(
		validateFilter(r.GetFilter()),
		contract.Check(len(r.GetTypes()) <= contract.MaxRequestTypes, "types", "%d types; expected at most %d",
			len(r.GetTypes()), contract.MaxRequestTypes),
		contract.Check(!r.GetSnapshot() || r.GetAfter() == "", "snapshot",
			"given together with after; expected one of them: a snapshot begins a stream, a cursor resumes one"),
		contract.Check(r.GetMaxDataBytes() >= 0 && r.GetMaxDataBytes() <= contract.MaxDataBytes, "max_data_bytes",
			"%d; expected 0 (%d) to %d",
			r.GetMaxDataBytes(), contract.DefaultDataBytes, contract.MaxDataBytes),
		contract.Check(len(r.GetAfter()) <= contract.MaxCursorLength, "after",
			"%d bytes; expected a cursor as an earlier response gave it", len(r.GetAfter())),
	); err != nil {
		return err
	}
	for _, t := range r.GetTypes() {
		if err := contract.Check(t != 0 && pb.EventType_name[int32(t)] != "", "types", "%d is not an EventType",
			t); err != nil {
			return err
		}
	}
	return nil
}

func validateAddBan(r *pb.AddBanRequest) error {
	return contract.First(
		validateBanTarget(r.GetTarget(), r.GetIdentity()),
		period("duration", r.GetDuration(), server.MaxBanDuration),
		reasonText(r.GetReason()),
	)
}

func validateBanTarget(target string, identity bool) error {
	if identity {
		return size("target", len(target), 1, contract.MaxIdentity)
	}
	return size("target", len(target), 1, contract.MaxNetwork)
}

func validateID(field, id string) error {
	if _, err := server.ParseID(id); err != nil {
		return &contract.IDError{Field: field, ID: id, Err: err}
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

// targets checks that connections are named either by IDs or by a filter. A malformed ID is an outcome, not an error,
// unless it is longer than any ID can be, because outcomes and the event log repeat the given text.
func targets(ids []string, expr string) error {
	return contract.First(
		contract.Check(len(ids) > 0 || expr != "", "connection_ids",
			"neither connection_ids nor filter is given; expected one of them (the filter `true` means all)"),
		contract.Check(len(ids) == 0 || expr == "", "filter", "given together with connection_ids; expected one of them"),
		count("connection_ids", len(ids)),
		contract.Check(!slices.ContainsFunc(ids, func(id string) bool { return len(id) > contract.MaxIDLength }),
			"connection_ids",
			"an ID has more than %d bytes; expected node.incarnation.seq, for example edge-1.19ab0d3f1c2.42",
			contract.MaxIDLength),
		validateFilter(expr),
	)
}

func validateFilter(expr string) error { return size("filter", len(expr), 0, contract.MaxFilter) }

func count(field string, n int) error {
	return contract.Check(n <= contract.MaxIDs, field, "%d IDs; expected at most %d in one call", n, contract.MaxIDs)
}

func size(field string, n, low, high int) error {
	return contract.Check(n >= low && n <= high, field, "%d bytes; expected %d to %d", n, low, high)
}

func reasonText(s string) error {
	return contract.Check(len(s) <= contract.MaxText, "reason", "%d bytes; expected at most %d", len(s), contract.MaxText)
}

func period(field string, d *durationpb.Duration, most time.Duration) error {
	if d == nil {
		return nil
	}
	return contract.Check(d.IsValid() && d.AsDuration() >= 0 && d.AsDuration() <= most, field,
		"%ds %dns; expected 0 to %s", d.GetSeconds(), d.GetNanos(), most)
}

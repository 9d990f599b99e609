package app

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	sockgatev1 "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	CompleteTimeout = 700 * time.Millisecond // a person waits for the Tab key
	CompleteRows    = 100
)

// CompleteFlag offers a flag's values instead of file names.
func CompleteFlag(cmd *cobra.Command, flag string, values ...string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// CompleteIDs offers the IDs of live connections for the first `most` arguments (0: for all), with the peers' addresses.
func (a *App) CompleteIDs(most int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if most > 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return a.liveIDs(cmd.Context(), prefix, args), cobra.ShellCompDirectiveNoFileComp
	}
}

// CompleteFlagIDs is completeIDs for a flag that takes an ID.
func (a *App) CompleteFlagIDs(cmd *cobra.Command, flag string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, a.CompleteIDs(0))
}

// liveIDs asks the gateway; without an answer there is just nothing to offer.
func (a *App) liveIDs(ctx context.Context, prefix string, taken []string) []cobra.Completion {
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, CompleteTimeout)
	defer cancel()
	c, err := a.Connect()
	if err != nil {
		return nil
	}
	defer c.Close()
	req := &sockgatev1.ListConnectionsRequest{PageSize: CompleteRows}
	if prefix != "" {
		req.Filter = "id.startsWith(" + strconv.QuoteToASCII(prefix) + ")"
	}
	var found []cobra.Completion
	for {
		resp, err := c.ListConnections(ctx, req)
		if err != nil {
			return found
		}
		for _, conn := range resp.GetConnections() {
			if strings.HasPrefix(conn.GetId(), prefix) && !slices.Contains(taken, conn.GetId()) {
				found = append(found, cobra.CompletionWithDesc(conn.GetId(), Clean(conn.GetRemoteAddress())))
			}
		}
		// A page may be short of rows while there are more.
		if req.PageToken = resp.GetNextPageToken(); req.PageToken == "" || len(found) >= CompleteRows {
			return found[:min(len(found), CompleteRows)]
		}
	}
}

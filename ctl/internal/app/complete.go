package app

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	completeTimeout = 700 * time.Millisecond // a person waits after pressing Tab
	completeRows    = 100
)

// CompleteFlag offers a flag's values instead of file names.
func CompleteFlag(cmd *cobra.Command, flag string, values ...string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// CompleteIDs offers the IDs of live connections, with the peers' addresses, for the first `most` arguments; 0 means
// for all.
func (a *App) CompleteIDs(most int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if most > 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		found := a.Offer(cmd.Context(), func(ctx context.Context, c *Client) []cobra.Completion {
			return liveIDs(ctx, c, prefix, args)
		})
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// CompleteFlagIDs is CompleteIDs for a flag that takes an ID.
func (a *App) CompleteFlagIDs(cmd *cobra.Command, flag string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, a.CompleteIDs(0))
}

// Offer connects and asks for words that complete the prefix. A person waits after pressing Tab: without an answer in
// time it offers no words.
func (a *App) Offer(ctx context.Context, ask func(context.Context,
	*Client) []cobra.Completion) (found []cobra.Completion) {
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, completeTimeout)
	defer cancel()
	_ = a.WithClient(func(c *Client) error {
		c.quiet = true
		found = ask(ctx, c)
		return nil
	})
	return slices.DeleteFunc(found, func(word cobra.Completion) bool { return !plainWord.MatchString(word) })
}

// plainWord is a word, with a description behind a tab, that every shell takes as it is. Others are not offered: their
// texts come from gateways, peers and callers, and a shell would carry some of them out.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9@%+=:,./_-]+(\t|$)`)

// liveIDs offers IDs that begin with prefix and are not taken.
func liveIDs(ctx context.Context, c *Client, prefix string, taken []string) (found []cobra.Completion) {
	req := &pb.ListConnectionsRequest{PageSize: completeRows}
	if prefix != "" {
		req.Filter = "id.startsWith(" + strconv.QuoteToASCII(prefix) + ")"
	}
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
		if req.PageToken = resp.GetNextPageToken(); req.PageToken == "" || len(found) >= completeRows {
			return found[:min(len(found), completeRows)]
		}
	}
}

package handlers

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sockgate/sockgate/ctl/internal/app"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// registerHandler declares --handler.
func registerHandler(a *app.App, cmd *cobra.Command, handler *string, help string) {
	cmd.Flags().StringVar(handler, "handler", "", help)
	_ = cmd.RegisterFlagCompletionFunc("handler", offerHandlers(a))
}

// offerHandlers offers the names of handlers.
func offerHandlers(a *app.App) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
		found := a.Offer(cmd.Context(), func(ctx context.Context, c *app.Client) []cobra.Completion {
			resp, _ := c.ListInstances(ctx, &pb.ListInstancesRequest{})
			return beginning(prefix, handlerNames(resp))
		})
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeInstances offers the names of instances, with their handlers, for the first argument.
func completeInstances(a *app.App, handler *string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		found := a.Offer(cmd.Context(), func(ctx context.Context, c *app.Client) []cobra.Completion {
			resp, _ := c.ListInstances(ctx, &pb.ListInstancesRequest{Handler: *handler})
			return instanceWords(prefix, resp)
		})
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// instanceWords are the instances that begin with prefix, each once. A name that looks like a flag is not offered.
func instanceWords(prefix string, resp *pb.ListInstancesResponse) []cobra.Completion {
	handlers := map[string][]string{}
	var names []string
	for _, i := range resp.GetInstances() {
		name := i.GetInstance()
		if !strings.HasPrefix(name, prefix) || strings.HasPrefix(name, "-") {
			continue
		}
		names = append(names, name)
		if !slices.Contains(handlers[name], i.GetHandler()) {
			handlers[name] = append(handlers[name], i.GetHandler())
		}
	}
	slices.Sort(names)
	var words []cobra.Completion
	for _, name := range slices.Compact(names) {
		words = append(words, cobra.CompletionWithDesc(name, strings.Join(handlers[name], ", ")))
	}
	return words
}

// beginning are the words that begin with prefix.
func beginning(prefix string, words []string) []string {
	return slices.DeleteFunc(words, func(w string) bool { return !strings.HasPrefix(w, prefix) })
}

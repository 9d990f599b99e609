// Package local has the commands that call no gateway: contexts, token files, and certificates to try TLS out.
package local

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sockgate/sockgate/ctl/internal/app"
)

const contextLong = `A context is a name for a gateway and for the settings to reach it: its address, TLS, a token
file. The current context is used where nothing else is given. A flag goes before the
environment, the environment before --context or SOCKGATE_CONTEXT, that before the current
context, and that before the default, each setting for itself. But where --gateway or
SOCKGATE_GATEWAY has another address than the current context, that context is ignored: its
token was not meant for another gateway.

Contexts are kept in sockgate/contexts.yaml of your configuration directory, or in the file that
SOCKGATE_CONTEXTS names. The file has only the names of files, no secrets.`

// ContextCommand is `ctl context`, the names for ways to reach gateways.
func ContextCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{Use: "context", Short: "Name gateways and how to reach them", Long: contextLong}
	cmd.AddCommand(contextAddCommand(a),
		&cobra.Command{
			Use:               "use NAME",
			Short:             "Make a context the current one",
			Args:              app.Exactly(1, "one NAME"),
			ValidArgsFunction: a.CompleteContexts,
			RunE:              a.RunE(func(_ *cobra.Command, args []string) error { return contextUse(a, args[0]) }),
		},
		&cobra.Command{
			Use:               "list",
			Short:             "List the contexts",
			Args:              app.Exactly(0, "no arguments"),
			ValidArgsFunction: cobra.NoFileCompletions,
			RunE:              a.RunE(func(*cobra.Command, []string) error { return contextList(a) }),
		},
		&cobra.Command{
			Use:               "remove NAME",
			Short:             "Remove a context",
			Args:              app.Exactly(1, "one NAME"),
			ValidArgsFunction: a.CompleteContexts,
			RunE:              a.RunE(func(_ *cobra.Command, args []string) error { return contextRemove(a, args[0]) }),
		},
		&cobra.Command{
			Use:               "show [NAME]",
			Short:             "Show a context, or how ctl would reach the gateway now",
			Args:              cobra.MaximumNArgs(1),
			ValidArgsFunction: a.CompleteContexts,
			RunE:              a.RunE(func(_ *cobra.Command, args []string) error { return contextShow(a, args) }),
		})
	return a.Noun(cmd, "do")
}

// contextAddCommand is `ctl context add`.
func contextAddCommand(a *app.App) *cobra.Command {
	use := false
	cmd := &cobra.Command{
		Use:   "add NAME --gateway ADDR",
		Short: "Add a context, or replace the one of that name",
		Long: `Add a context with the flags' settings; the environment is ignored. It replaces the context of
the same name. The first one becomes the current one.`,
		Example: `  ctl context add prod --gateway gw.example.org:8018 --tls-ca ca.pem --token-file prod.token --use
  ctl context add dev --gateway 127.0.0.1:8018`,
		Args:              app.Exactly(1, "one NAME"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              a.RunE(func(_ *cobra.Command, args []string) error { return contextAdd(a, args[0], use) }),
	}
	cmd.Flags().BoolVar(&use, "use", false, "make it the current one")
	return cmd
}

// contextAdd saves the flags' settings under a name, with absolute paths.
func contextAdd(a *app.App, name string, use bool) error {
	if !app.ContextName().MatchString(name) {
		return app.Usagef("%.100q cannot be the name of a context; give up to 63 letters, digits, dots, dashes, "+
			"underscores and @, a letter or digit first", name)
	}
	given := a.FlagAccess()
	if _, ok := given["gateway"]; !ok {
		return app.Usagef("a context needs an address; give --gateway ADDR")
	}
	n := app.NamedContext{Name: name}
	if err := n.Override(given, a.TLSFlag()); err != nil {
		return err
	}
	if err := n.Absolute(); err != nil {
		return err
	}
	if err := n.Check(); err != nil {
		return err
	}
	return a.ChangeContexts(func(c *app.Contexts) error {
		if old := c.Find(name); old != nil {
			*old = n
			a.Say("replaced context %s", name)
		} else {
			c.Contexts = append(c.Contexts, n)
		}
		if use || len(c.Contexts) == 1 {
			c.Current = name
		}
		return nil
	})
}

// contextUse makes a context the current one.
func contextUse(a *app.App, name string) error {
	return a.ChangeContexts(func(c *app.Contexts) error {
		if c.Find(name) == nil {
			return a.NoContext(c, name)
		}
		c.Current = name
		return nil
	})
}

// contextRemove forgets a context, and says when it was the current one.
func contextRemove(a *app.App, name string) error {
	return a.ChangeContexts(func(c *app.Contexts) error {
		if c.Find(name) == nil {
			return &app.ExitError{Code: app.ExitNotFound, Err: fmt.Errorf("there is no context %.100q", name)}
		}
		kept := c.Contexts[:0]
		for _, n := range c.Contexts {
			if n.Name != name {
				kept = append(kept, n)
			}
		}
		c.Contexts = kept
		if c.Current == name {
			c.Current = ""
			a.Say("%s was the current context; there is none now", name)
		}
		return nil
	})
}

// shownContext is a context as `ctl context list` prints it.
type shownContext struct {
	Current bool `json:"current"`
	app.NamedContext
}

// contextList prints the contexts in the order of their names.
func contextList(a *app.App) error {
	c, err := a.ReadContexts()
	if err != nil {
		return err
	}
	rows := a.NewRows("CURRENT", "NAME", "GATEWAY", "TLS", "TOKEN")
	for _, n := range c.Contexts {
		current := ""
		if n.Name == c.Current {
			current = "*"
		}
		shown := shownContext{n.Name == c.Current, n}
		if err := rows.Add(shown, n.Name, current, n.Name, n.Gateway, n.TLSText(), n.TokenFile); err != nil {
			return err
		}
	}
	return rows.Flush()
}

// contextShow shows one context, or the settings in force.
func contextShow(a *app.App, args []string) error {
	if len(args) == 0 {
		x, err := a.Access()
		if err != nil {
			return err
		}
		return printAccess(a, "", x)
	}
	c, err := a.ReadContexts()
	if err != nil {
		return err
	}
	n := c.Find(args[0])
	if n == nil {
		return a.NoContext(c, args[0])
	}
	return printAccess(a, n.Name, &n.Access)
}

// printAccess shows every setting of one way to reach a gateway; the token itself never.
func printAccess(a *app.App, name string, x *app.Access) error {
	switch {
	case a.Structured():
		return a.PrintValue(app.NamedContext{Name: name, Access: *x})
	case a.Output == app.FormatName:
		return a.PrintName(name)
	}
	token := x.TokenFile
	if x.Token != "" {
		token = "(SOCKGATE_TOKEN)"
	}
	t := a.NewTable("SETTING", "VALUE")
	for _, row := range [][2]string{{"gateway", x.Gateway}, {"tls", x.TLSText()}, {"tls-ca", x.CA}, {"tls-cert", x.Cert},
		{"tls-key", x.Key},
		{"server-name", x.ServerName}, {"token-file", token}} {
		t.Add(row[0], row[1])
	}
	return t.Flush()
}

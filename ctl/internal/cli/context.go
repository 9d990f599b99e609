package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

const contextLong = `A context is a name for a gateway and for what it takes to reach it: its address, TLS, a token file. The current one is used where
nothing else is said. A flag goes before the environment, the environment before --context or SOCKGATE_CONTEXT, that before the
current context, and that before the default, each setting for itself. But where --gateway or SOCKGATE_GATEWAY has another address
than the current context, that context is left aside: its token was not meant for another gateway.

Contexts are kept in sockgate/contexts.yaml of your configuration directory, or in the file that SOCKGATE_CONTEXTS names. Only the
names of files are in it, no secrets.`

// contextCommand is the noun for the ways to reach gateways.
func (a *app) contextCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "context", Short: "Name gateways and how to reach them", Long: contextLong}
	cmd.AddCommand(a.contextAddCommand(),
		&cobra.Command{
			Use:               "use NAME",
			Short:             "Make a context the current one",
			Args:              exactly(1, "one NAME"),
			ValidArgsFunction: a.completeContexts,
			RunE:              a.run(func(_ *cobra.Command, args []string) error { return a.contextUse(args[0]) }),
		},
		&cobra.Command{
			Use:               "list",
			Short:             "List the contexts",
			Args:              exactly(0, "no arguments"),
			ValidArgsFunction: cobra.NoFileCompletions,
			RunE:              a.run(func(*cobra.Command, []string) error { return a.contextList() }),
		},
		&cobra.Command{
			Use:               "remove NAME",
			Short:             "Remove a context",
			Args:              exactly(1, "one NAME"),
			ValidArgsFunction: a.completeContexts,
			RunE:              a.run(func(_ *cobra.Command, args []string) error { return a.contextRemove(args[0]) }),
		},
		&cobra.Command{
			Use:               "show [NAME]",
			Short:             "Show a context, or how ctl would reach the gateway now",
			Args:              cobra.MaximumNArgs(1),
			ValidArgsFunction: a.completeContexts,
			RunE:              a.run(func(_ *cobra.Command, args []string) error { return a.contextShow(args) }),
		})
	return a.noun(cmd)
}

// contextAddCommand is `ctl context add`.
func (a *app) contextAddCommand() *cobra.Command {
	use := false
	cmd := &cobra.Command{
		Use:   "add NAME --gateway ADDR",
		Short: "Add a context, or replace the one of that name",
		Long: `Add a context with what the flags say; the environment is not asked. It replaces the one of that name. The first one becomes
the current one.`,
		Example: `  ctl context add prod --gateway gw.example.org:8018 --tls-ca ca.pem --token-file prod.token --use
  ctl context add dev --gateway 127.0.0.1:8018`,
		Args:              exactly(1, "one NAME"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              a.run(func(_ *cobra.Command, args []string) error { return a.contextAdd(args[0], use) }),
	}
	cmd.Flags().BoolVar(&use, "use", false, "make it the current one")
	return cmd
}

// contextAccess is what the context says that is to be used, and whether it was named; nil without one.
func (a *app) contextAccess() (x *access, chosen bool, err error) {
	c, err := a.readContexts()
	if err != nil {
		return nil, false, err
	}
	name := a.env.Getenv("SOCKGATE_CONTEXT")
	if f := a.flags.Lookup("context"); f.Changed {
		name = f.Value.String()
	}
	chosen = name != ""
	if !chosen {
		name = c.Current
	}
	if name == "" {
		return nil, false, nil
	}
	found := c.find(name)
	if found == nil {
		return nil, false, a.noContext(c, name)
	}
	return &found.access, chosen, nil
}

// noContext is the error of a name that no context has; it names those that there are.
func (a *app) noContext(c *contexts, name string) error {
	if len(c.Contexts) == 0 {
		return usagef("there is no context %.100q, nor any other; add one with ctl context add", name)
	}
	return usagef("there is no context %.100q; there are %s", name, strings.Join(c.names(), ", "))
}

// contextAdd keeps what the flags say under a name, with absolute paths.
func (a *app) contextAdd(name string, use bool) error {
	if !contextName().MatchString(name) {
		return usagef("%.100q cannot be the name of a context; give up to 63 letters, digits, dots, dashes, underscores and @, a letter or digit first", name)
	}
	if !a.flags.Lookup("gateway").Changed {
		return usagef("a context needs an address; give --gateway ADDR")
	}
	n := namedContext{Name: name}
	if err := n.override(a.flagAccess(), a.tlsFlag()); err != nil {
		return err
	}
	if err := n.absolute(); err != nil {
		return err
	}
	if err := n.check(); err != nil {
		return err
	}
	return a.changeContexts(func(c *contexts) error {
		if old := c.find(name); old != nil {
			*old = n
			a.say("replaced context %s", name)
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
func (a *app) contextUse(name string) error {
	return a.changeContexts(func(c *contexts) error {
		if c.find(name) == nil {
			return a.noContext(c, name)
		}
		c.Current = name
		return nil
	})
}

// contextRemove forgets a context, and says when it was the current one.
func (a *app) contextRemove(name string) error {
	return a.changeContexts(func(c *contexts) error {
		if c.find(name) == nil {
			return &exitError{code: exitNotFound, err: fmt.Errorf("there is no context %.100q", name)}
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
			a.say("%s was the current context; there is none now", name)
		}
		return nil
	})
}

// shownContext is a context as `ctl context list` prints it.
type shownContext struct {
	Current bool `json:"current"`
	namedContext
}

// contextList prints the contexts in the order of their names.
func (a *app) contextList() error {
	c, err := a.readContexts()
	if err != nil {
		return err
	}
	t := a.newTable("CURRENT", "NAME", "GATEWAY", "TLS", "TOKEN")
	for _, n := range c.Contexts {
		switch {
		case a.structured():
			err = a.printValue(shownContext{n.Name == c.Current, n})
		case a.output == formatName:
			err = a.printName(n.Name)
		default:
			current := ""
			if n.Name == c.Current {
				current = "*"
			}
			t.add(current, n.Name, n.Gateway, n.tlsText(), n.TokenFile)
		}
		if err != nil {
			return err
		}
	}
	if a.tabular() {
		return t.flush()
	}
	return nil
}

// tlsText says in a few words how TLS is used.
func (x *access) tlsText() string {
	switch {
	case !x.TLS:
		return "no"
	case x.Cert != "":
		return "yes, with a certificate"
	default:
		return "yes"
	}
}

// contextShow shows one context, or what all settings together come to.
func (a *app) contextShow(args []string) error {
	if len(args) == 0 {
		x, err := a.access()
		if err != nil {
			return err
		}
		return a.printAccess("", x)
	}
	c, err := a.readContexts()
	if err != nil {
		return err
	}
	n := c.find(args[0])
	if n == nil {
		return a.noContext(c, args[0])
	}
	return a.printAccess(n.Name, &n.access)
}

// printAccess shows every setting of one way to reach a gateway; the token itself never.
func (a *app) printAccess(name string, x *access) error {
	switch {
	case a.structured():
		return a.printValue(namedContext{name, *x})
	case a.output == formatName:
		return a.printName(name)
	}
	token := x.TokenFile
	if x.token != "" {
		token = "(SOCKGATE_TOKEN)"
	}
	t := a.newTable("SETTING", "VALUE")
	for _, row := range [][2]string{{"gateway", x.Gateway}, {"tls", x.tlsText()}, {"tls-ca", x.CA}, {"tls-cert", x.Cert}, {"tls-key", x.Key},
		{"server-name", x.ServerName}, {"token-file", token}} {
		t.add(row[0], row[1])
	}
	return t.flush()
}

// completeContexts offers the names of contexts, with their addresses, for the first argument or a flag.
func (a *app) completeContexts(cmd *cobra.Command, args []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
	c, err := a.readContexts()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var found []cobra.Completion
	for _, n := range c.Contexts {
		if strings.HasPrefix(n.Name, prefix) && len(args) == 0 {
			found = append(found, cobra.CompletionWithDesc(n.Name, clean(n.Gateway)))
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

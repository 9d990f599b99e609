package local

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/gateway/auth/tokenfile"
)

// maxTokenLife bounds --expires: a token that is to live longer need not expire.
const maxTokenLife = 10 * 365 * 24 * time.Hour

type tokenOptions struct {
	file    string
	role    string
	expires time.Duration
}

// TokenCommand is `ctl token`, the tokens in a gateway's token file. It changes the file without asking the gateway.
func TokenCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make and remove tokens in a gateway's token file",
		Long: `Make and remove tokens in the file that a gateway is given with --control-token-file. The file
has hashes, names and roles, one a line; a reader of the file cannot use them. The gateway
notices changes of the file by itself. These commands work on the file alone, on the machine
where it is, and ask no gateway.`,
	}
	cmd.AddCommand(tokenCreateCommand(a), tokenListCommand(a), tokenRemoveCommand(a))
	return a.Noun(cmd, "do")
}

// tokenCreateCommand is `ctl token create`.
func tokenCreateCommand(a *app.App) *cobra.Command {
	var o tokenOptions
	cmd := &cobra.Command{
		Use:   "create NAME --role ROLE --file FILE",
		Short: "Make a token, and add its hash to the file",
		Long: `Make a token, add its hash with NAME and ROLE to the file, and print the token on stdout, where
nothing else appears. It is shown this once: the file has only its hash. Events and logs call
the token's user NAME. A file that does not exist is made, for its owner alone.

With the role handler:chat a token may attach as the remote handler chat, and do nothing else.`,
		Example:           `  (umask 077 && ctl token create ci --role operator --file tokens --expires 720h > ci.token)`,
		Args:              app.Exactly(1, "one NAME"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.RunE(func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("expires") && (o.expires <= 0 || o.expires > maxTokenLife) {
				return app.Usagef("--expires %s is not possible; give more than 0 and at most 10 years (87600h), for example "+
					"720h, or leave it out", o.expires)
			}
			return tokenCreate(a, args[0], o)
		}),
	}
	o.registerFile(cmd)
	cmd.Flags().StringVar(&o.role, "role", "", "what it may do: "+tokenfile.AnyRole)
	cmd.Flags().DurationVar(&o.expires, "expires", 0, "for how long it is good, for example 720h (default for ever)")
	app.CompleteFlag(cmd, "role", tokenRoles()...)
	app.CompleteFlag(cmd, "expires")
	return cmd
}

// registerFile declares --file.
func (o *tokenOptions) registerFile(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.file, "file", "", "the token `FILE` of the gateway")
}

// checkFile refuses to go on without --file.
func (o *tokenOptions) checkFile() error {
	if o.file == "" {
		return app.Usagef("the token file is not named; give --file FILE")
	}
	return nil
}

// createdToken is the output of `ctl token create` as json and yaml.
type createdToken struct {
	*tokenEntry
	Token string `json:"token"`
}

// tokenCreate puts the hash into the file before the token is printed: one that was shown always works.
func tokenCreate(a *app.App, name string, o tokenOptions) error {
	switch {
	case o.checkFile() != nil:
		return o.checkFile()
	case !tokenfile.IsName(name):
		return app.Usagef("%.100q cannot be the name of a token; give 1 to 63 of a-z, 0-9, dot, underscore and dash, and "+
			"nothing that looks like a token", name)
	case !tokenfile.IsRole(o.role):
		return app.Usagef("--role %.100q is not a role; give one of %s, where NAME is a remote handler's: 1 to 32 of a-z, "+
			"0-9 and dash", o.role, tokenfile.AnyRole)
	}
	token := tokenfile.NewToken()
	entry := tokenfile.Entry{Name: name, Role: o.role, Hash: tokenfile.Hash(token)}
	if o.expires > 0 {
		entry.Expires = a.Env.Now().Add(o.expires).UTC().Truncate(time.Second)
	}
	e := newTokenEntry(entry)
	if err := changeTokens(a, o.file, func(f *tokenFile) error {
		if f.find(name) != nil {
			return fmt.Errorf("%s has a token %s already; remove that first, or choose another name", o.file, name)
		}
		f.add(e)
		return nil
	}); err != nil {
		return err
	}
	if err := printToken(a, createdToken{e, token}); err != nil {
		return fmt.Errorf("the token %s is in %s, and could not be printed (%w): remove it, it cannot be shown again", name,
			o.file, err)
	}
	a.Say("%s is in %s as %s; keep the token now, it is not shown again (ctl --token-file FILE, or SOCKGATE_TOKEN)", name,
		o.file, o.role)
	return nil
}

// printToken prints the token alone, and makes sure that it is out.
func printToken(a *app.App, t createdToken) error {
	var err error
	if a.Structured() {
		err = a.PrintValue(t)
	} else {
		err = a.PrintName(t.Token)
	}
	return errors.Join(err, a.Stdout.Flush())
}

// tokenListCommand is `ctl token list`.
func tokenListCommand(a *app.App) *cobra.Command {
	var o tokenOptions
	cmd := &cobra.Command{
		Use:               "list --file FILE",
		Short:             "List the tokens in the file: names, roles, and when they expire",
		Args:              app.Exactly(0, "no arguments"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              a.RunE(func(*cobra.Command, []string) error { return tokenList(a, o) }),
	}
	o.registerFile(cmd)
	return cmd
}

// tokenList prints the entries in the order of the file.
func tokenList(a *app.App, o tokenOptions) error {
	if err := o.checkFile(); err != nil {
		return err
	}
	f, err := readTokenFile(a, o.file)
	if err != nil {
		return err
	}
	rows := a.NewRows("NAME", "ROLE", "EXPIRES")
	for _, e := range f.entries {
		if err := rows.Add(e, e.Name, e.Name, e.Role, expiresText(a, e.Expires)); err != nil {
			return err
		}
	}
	return rows.Flush()
}

// expiresText is when a token expires, and whether it has.
func expiresText(a *app.App, at *time.Time) string {
	if at == nil {
		return "never"
	}
	text := at.In(a.Env.Now().Location()).Format(time.RFC3339)
	if !a.Env.Now().Before(*at) {
		text += " (expired)"
	}
	return text
}

// tokenRemoveCommand is `ctl token remove`.
func tokenRemoveCommand(a *app.App) *cobra.Command {
	var o tokenOptions
	cmd := &cobra.Command{
		Use:   "remove NAME --file FILE",
		Short: "Remove a token from the file",
		Long:  "Remove a token from the file. It is worth nothing any more as soon as the gateway has read the file again.",
		Args:  app.Exactly(1, "one NAME"),
		ValidArgsFunction: func(_ *cobra.Command, args []string, prefix string) ([]cobra.Completion,
			cobra.ShellCompDirective) {
			return tokenNames(o.file, args, prefix), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: a.RunE(func(_ *cobra.Command, args []string) error { return tokenRemove(a, args[0], o) }),
	}
	o.registerFile(cmd)
	return cmd
}

// tokenRemove takes the line of the token out of the file.
func tokenRemove(a *app.App, name string, o tokenOptions) error {
	if err := o.checkFile(); err != nil {
		return err
	}
	return changeTokens(a, o.file, func(f *tokenFile) error {
		e := f.find(name)
		if e == nil {
			return &app.ExitError{Code: app.ExitNotFound, Err: fmt.Errorf("%s has no token %.100q", o.file, name)}
		}
		f.remove(e)
		return nil
	})
}

// tokenNames offers the names in the file of --file.
func tokenNames(file string, args []string, prefix string) []cobra.Completion {
	data, err := app.ReadFileBounded(file, maxTokenFile)
	if err != nil || len(args) > 0 {
		return nil
	}
	f, err := parseTokens(data)
	if err != nil {
		return nil
	}
	var found []cobra.Completion
	for _, e := range f.entries {
		if strings.HasPrefix(e.Name, prefix) {
			found = append(found, cobra.CompletionWithDesc(e.Name, e.Role))
		}
	}
	return found
}

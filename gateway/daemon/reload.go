package daemon

// reload reads the files that can change while the gateway runs: certificates, client CAs and tokens. A file that
// cannot be used is logged, and its last good content stays in force.
func (g *gateway) reload() {
	files := len(g.certificates.stores)
	changed, broken := g.certificates.reload()
	if g.auth.tokens != nil {
		files++
		if err := g.auth.tokens.Reload(); err != nil {
			broken++
			g.log.Error("the token file cannot be used: the tokens of before stay in force", "error", err)
		}
	}
	switch {
	case files == 0:
		g.log.Info("SIGHUP: there are no certificates, client CAs or tokens to reload; other settings need a restart")
	case broken > 0:
		g.log.Error("SIGHUP: some files cannot be used, and what was loaded from them before stays in force", "broken",
			broken)
	default:
		g.log.Info("SIGHUP: certificates, client CAs and tokens are reloaded", "certificates-changed", changed)
	}
}

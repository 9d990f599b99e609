package daemon

import (
	"crypto/tls"
	"reflect"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/daemon/tlsfiles"
)

// certificates are the certificate files of all listeners and of the control plane. Those who want the same share one store, so that
// files are followed, and said to have changed, once. One goroutine uses it.
type certificates struct {
	log     hclog.Logger
	configs []tlsfiles.Config
	stores  []*tlsfiles.Store // as many
}

// open loads the files that a configuration names, unless they are there. The error names the file.
func (c *certificates) open(config tlsfiles.Config) (*tls.Config, error) {
	config.Logger = c.log
	for i := range c.configs {
		if reflect.DeepEqual(c.configs[i], config) {
			return c.stores[i].TLSConfig(), nil
		}
	}
	store, err := tlsfiles.Open(config)
	if err != nil {
		return nil, err
	}
	c.configs, c.stores = append(c.configs, config), append(c.stores, store)
	return store.TLSConfig(), nil
}

// reload looks at all files now. It returns how many stores have new content, how many of them cannot use it, and keep what they had; it
// has been logged why.
func (c *certificates) reload() (changed, broken int) {
	for _, store := range c.stores {
		differs, err := store.Reload()
		if differs {
			changed++
		}
		if err != nil {
			broken++
		}
	}
	return changed, broken
}

// close ends following files.
func (c *certificates) close() {
	for _, store := range c.stores {
		store.Close()
	}
}

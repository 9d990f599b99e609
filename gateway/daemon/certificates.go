package daemon

import (
	"crypto/tls"
	"reflect"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/daemon/tlsfiles"
)

// certificates holds the certificate files of all listeners and of the control plane. Users with the same configuration
// share one store, so that each file is followed once and each change is logged once. It is for use by one goroutine.
type certificates struct {
	log     hclog.Logger
	configs []tlsfiles.Config
	stores  []*tlsfiles.Store // one for each of configs
}

// open loads the files of a configuration, unless they are loaded already. The error names the file.
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

// reload checks all files now. It returns how many stores have new content, and how many cannot use theirs. A store
// that cannot use its new content keeps the old one and has logged why.
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

// close stops following the files.
func (c *certificates) close() {
	for _, store := range c.stores {
		store.Close()
	}
}

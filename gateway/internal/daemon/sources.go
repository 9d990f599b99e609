package daemon

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

// envPrefix begins every environment variable of the gateway: SOCKGATE_IDLE_TIMEOUT is --idle-timeout.
const envPrefix = "SOCKGATE_"

// clientAddress is ctl's variable, which may well be set where a gateway runs.
const clientAddress = envPrefix + "GATEWAY"

// keyDelimiter joins the keys of nested maps of the file, where they can only be mistakes.
const keyDelimiter = "."

// load gives the flags that were not given on the command line their values from the environment, else from the file. It
// returns environment variables that name no flag, for a warning: an orchestrator may set such ones for its own reasons, so
// that they are no error, as an unknown key of the file is.
func load(f *pflag.FlagSet, file string, environ []string) (unknown []string, err error) {
	k := koanf.New(keyDelimiter)
	if file != "" {
		if err := loadFile(k, f, file); err != nil {
			return nil, err
		}
	}
	provider := env.Provider("", env.Opt{Prefix: envPrefix, EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, value string) (string, any) {
			key := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, envPrefix)), "_", "-")
			switch {
			case name == clientAddress || key == configFlag:
				return "", nil
			case f.Lookup(key) == nil:
				unknown = append(unknown, name)
				return "", nil
			}
			return key, value
		}})
	if err := k.Load(provider, nil); err != nil {
		return nil, fmt.Errorf("environment: %w", err)
	}
	return unknown, apply(k, f)
}

func loadFile(k *koanf.Koanf, f *pflag.FlagSet, file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("--config: %w", err)
	}
	if err := k.Load(rawbytes.Provider(b), yaml.Parser()); err != nil {
		return fmt.Errorf("configuration file %s: expected YAML with a key for each flag, for example `idle-timeout: 5m`: %w", file, err)
	}
	for _, key := range k.Keys() {
		if f.Lookup(key) == nil || key == configFlag {
			return fmt.Errorf("configuration file %s: unknown key %q; the keys are the flags' names: %s", file, key, strings.Join(flagNames(f), ", "))
		}
	}
	return nil
}

func flagNames(f *pflag.FlagSet) []string {
	var names []string
	f.VisitAll(func(flag *pflag.Flag) {
		if !slices.Contains([]string{configFlag, "help", "version"}, flag.Name) {
			names = append(names, flag.Name)
		}
	})
	return names
}

// apply sets the flags that the command line has not set.
func apply(k *koanf.Koanf, f *pflag.FlagSet) error {
	for _, key := range k.Keys() {
		flag := f.Lookup(key)
		if flag.Changed {
			continue
		}
		if list, ok := flag.Value.(pflag.SliceValue); ok {
			if err := list.Replace(words(k, key)); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			continue
		}
		if k.Get(key) == nil {
			return fmt.Errorf("%s: no value is given; expected for example %q, or remove the key", key, flag.DefValue)
		}
		if err := flag.Value.Set(k.String(key)); err != nil {
			return fmt.Errorf("%s: %q: %w", key, k.String(key), err)
		}
	}
	return nil
}

// words returns a list: of the file, or of one text with commas.
func words(k *koanf.Koanf, key string) []string {
	if list := k.Strings(key); len(list) > 0 {
		return list
	}
	return strings.Split(k.String(key), ",")
}

// configFromEnv returns SOCKGATE_CONFIG: the file can be named in the environment like everything else.
func configFromEnv(environ []string) string {
	for _, e := range environ {
		if file, ok := strings.CutPrefix(e, envPrefix+"CONFIG="); ok {
			return file
		}
	}
	return ""
}

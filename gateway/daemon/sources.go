package daemon

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

// envPrefix is the beginning of every environment variable of the gateway: SOCKGATE_IDLE_TIMEOUT is --idle-timeout.
const envPrefix = "SOCKGATE_"

// clientAddress is ctl's variable, which may be set where a gateway runs.
const clientAddress = envPrefix + "GATEWAY"

// listenFlag has values with commas in them.
const listenFlag = "listen"

// keyDelimiter joins the keys of nested maps in the file. No setting contains it.
const keyDelimiter = "."

// notSettings are flags that cannot come from the environment or the file.
var notSettings = []string{configFlag, "help", "version"}

// load sets each flag that is not on the command line from the environment, else from the file. It returns the
// environment variables that name no flag, for a warning. An orchestrator may set such variables for its own reasons,
// so they are no error; an unknown key in the file is one.
func load(f *pflag.FlagSet, file string, environ []string) (unknown []string, err error) {
	given := make(map[string]bool)
	f.Visit(func(flag *pflag.Flag) { given[flag.Name] = true })
	if file != "" {
		k, err := loadFile(f, file)
		if err != nil {
			return nil, err
		}
		where := func(key string) string { return fmt.Sprintf("configuration file %s: %s", file, key) }
		if err := apply(k, f, given, where); err != nil {
			return nil, err
		}
	}
	k, unknown, err := loadEnv(f, environ)
	if err != nil {
		return nil, err
	}
	return unknown, apply(k, f, given, variable)
}

// variable returns the name of a flag's environment variable.
func variable(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, "-", "_"))
}

// setting returns the flag of a key, or nil if the key is no setting.
func setting(f *pflag.FlagSet, key string) *pflag.Flag {
	if slices.Contains(notSettings, key) {
		return nil
	}
	return f.Lookup(key)
}

func loadEnv(f *pflag.FlagSet, environ []string) (k *koanf.Koanf, unknown []string, err error) {
	k = koanf.New(keyDelimiter)
	provider := env.Provider("", env.Opt{Prefix: envPrefix, EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, value string) (string, any) {
			key := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, envPrefix)), "_", "-")
			switch {
			case name == clientAddress || key == configFlag:
				return "", nil
			case setting(f, key) == nil:
				unknown = append(unknown, name)
				return "", nil
			}
			return key, value
		}})
	if err := k.Load(provider, nil); err != nil {
		return nil, nil, fmt.Errorf("environment: %w", err)
	}
	return k, unknown, nil
}

func loadFile(f *pflag.FlagSet, file string) (*koanf.Koanf, error) {
	b, err := readBounded(file)
	if err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	return parseFile(f, file, b)
}

// parseFile parses a configuration file. A key that is no setting is an error.
func parseFile(f *pflag.FlagSet, file string, b []byte) (*koanf.Koanf, error) {
	k := koanf.New(keyDelimiter)
	values, err := parseYAML(f, b)
	if unknown := (*unknownKeyError)(nil); errors.As(err, &unknown) {
		return nil, fmt.Errorf("configuration file %s: %w; the keys are the flags' names: %s", file, unknown,
			strings.Join(flagNames(f), ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("configuration file %s: expected YAML with a key for each flag, "+
			"for example `idle-timeout: 5m`: %w", file, err)
	}
	return k, k.Load(fileValues(values), nil)
}

// fileValues are a file's values, as a source for koanf.
type fileValues map[string]any

// Read implements koanf.Provider.
func (v fileValues) Read() (map[string]any, error) { return v, nil }

// ReadBytes implements koanf.Provider.
func (v fileValues) ReadBytes() ([]byte, error) { return nil, errors.ErrUnsupported }

// readBounded reads a file of at most maxConfig bytes.
func readBounded(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if len(b) > maxConfig {
		return nil, fmt.Errorf("%s is longer than %d bytes: expected a few lines of YAML", file, maxConfig)
	}
	return b, nil
}

func flagNames(f *pflag.FlagSet) []string {
	var names []string
	f.VisitAll(func(flag *pflag.Flag) {
		if setting(f, flag.Name) != nil {
			names = append(names, flag.Name)
		}
	})
	return names
}

// apply sets the flags that are not in given. The function where names a key for an error.
func apply(k *koanf.Koanf, f *pflag.FlagSet, given map[string]bool, where func(key string) string) error {
	for _, key := range k.Keys() {
		flag := f.Lookup(key)
		if given[key] {
			continue
		}
		if k.Get(key) == nil {
			return fmt.Errorf("%s: no value is given; expected for example %.100q, or remove the key", where(key), flag.DefValue)
		}
		var err error
		if list, ok := flag.Value.(pflag.SliceValue); ok {
			err = replace(list, words(k, key))
		} else {
			err = flag.Value.Set(k.String(key))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", where(key), badValue(flag, k.String(key), err))
		}
	}
	return nil
}

// replace sets a list of at most maxValues.
func replace(list pflag.SliceValue, values []string) error {
	if len(values) > maxValues {
		return fmt.Errorf("%d values; expected at most %d", len(values), maxValues)
	}
	return list.Replace(values)
}

// badValue returns an error that states the given value and the expected form.
func badValue(flag *pflag.Flag, value string, err error) error {
	switch flag.Value.Type() {
	case "duration":
		return fmt.Errorf("%.100q is not a duration; expected for example 30s, 5m or 1h30m", value)
	case "int":
		return fmt.Errorf("%.100q is not a whole number; expected for example %s", value, flag.DefValue)
	case "float64":
		return fmt.Errorf("%.100q is not a number; expected for example 100 or 0.5", value)
	}
	return err // the errors of this flag's type state both
}

// flagError returns the error for a mistake on the command line.
func flagError(err error) error {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		flag := invalid.GetFlag()
		return fmt.Errorf("--%s: %w", flag.Name, badValue(flag, invalid.GetValue(), errors.Unwrap(invalid)))
	}
	return err
}

// words returns a list: a list in the file, or a text with commas.
func words(k *koanf.Koanf, key string) []string {
	if _, ok := k.Get(key).([]any); ok {
		return k.Strings(key)
	}
	if key == listenFlag {
		return listenTexts(k.String(key))
	}
	list := strings.Split(k.String(key), ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}

// configFromEnv returns SOCKGATE_CONFIG, because the environment can name the file too.
func configFromEnv(environ []string) string {
	for _, e := range environ {
		if file, ok := strings.CutPrefix(e, envPrefix+"CONFIG="); ok {
			return file
		}
	}
	return ""
}

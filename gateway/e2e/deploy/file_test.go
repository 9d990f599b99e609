package deploy

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/sockgate/sockgate/gateway/e2e/internal/tree"
)

// deployed is one gateway of a deployment file.
type deployed struct {
	name   string            // of its container
	args   []string          // of the gateway
	env    map[string]string // its environment
	mounts map[string]string // by the path in the container
	grace  time.Duration     // from SIGTERM to SIGKILL
}

// composeFile is the part of a compose file that the tests read.
type composeFile struct {
	Services map[string]composeService
}

type composeService struct {
	Image       string
	Command     []string
	Environment map[string]string
	Volumes     []string
	Directory   string `yaml:"working_dir"`
	Grace       string `yaml:"stop_grace_period"`
}

// read returns the text of a file at any path.
func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// readCompose reads a compose file.
func readCompose(t *testing.T, name string) composeFile {
	t.Helper()
	var c composeFile
	if err := yaml.Unmarshal([]byte(tree.Read(t, composeFiles+"/"+name)), &c); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return c
}

// gateways returns those of the file's services that are gateways.
func (c *composeFile) gateways(t *testing.T) []deployed {
	t.Helper()
	var all []deployed
	for name, s := range c.Services {
		if s.Image != "sockgate" {
			continue
		}
		grace, err := time.ParseDuration(s.Grace)
		if err != nil {
			t.Fatalf("%s: stop_grace_period: %v", name, err)
		}
		all = append(all, deployed{name: name, args: s.Command, env: s.Environment, mounts: s.mounts(t), grace: grace})
	}
	return all
}

// mounts returns a service's mounts: the path on the host, by the path in the container.
func (s *composeService) mounts(t *testing.T) map[string]string {
	t.Helper()
	mounts := make(map[string]string)
	for _, v := range s.Volumes {
		host, inside, ok := strings.Cut(strings.TrimSuffix(v, ":ro"), ":")
		if !ok {
			t.Errorf("volume %q has no path in the container", v)
		}
		mounts[inside] = host
	}
	return mounts
}

// manifest is the part of a Kubernetes object that the tests read.
type manifest struct {
	Kind     string
	Metadata struct{ Name string }
	Spec     struct {
		Replicas    int
		ServiceName string         `yaml:"serviceName"`
		ClusterIP   string         `yaml:"clusterIP"`
		Selector    map[string]any // labels of a Service; matchLabels of other kinds
		PodSelector map[string]any `yaml:"podSelector"`
		Ports       []struct {
			Target string `yaml:"targetPort"`
		}
		Template struct {
			Metadata struct{ Labels map[string]string }
			Spec     pod
		}
		Claims  []manifestName `yaml:"volumeClaimTemplates"`
		Ingress []struct {
			Ports []struct{ Port string }
		}
	}
}

type manifestName struct {
	Metadata struct{ Name string }
}

type pod struct {
	Grace      int `yaml:"terminationGracePeriodSeconds"`
	Containers []container
	Volumes    []struct {
		Name   string
		Secret struct {
			Name string `yaml:"secretName"`
		}
	}
}

type container struct {
	Name  string
	Args  []string
	Ports []struct {
		Name string
		Port int `yaml:"containerPort"`
	}
	Readiness probe `yaml:"readinessProbe"`
	Liveness  probe `yaml:"livenessProbe"`
	Startup   probe `yaml:"startupProbe"`
	Lifecycle struct {
		PreStop struct{ Sleep struct{ Seconds int } } `yaml:"preStop"`
	}
	Mounts []struct {
		Name string
		Path string `yaml:"mountPath"`
	} `yaml:"volumeMounts"`
}

type probe struct {
	Exec struct{ Command []string }
	TCP  struct{ Port string } `yaml:"tcpSocket"`
}

// readManifests reads all Kubernetes objects.
func readManifests(t *testing.T) []manifest {
	t.Helper()
	files, err := filepath.Glob(tree.Path(t, kubernetesFiles+"/*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no manifests: %v", err)
	}
	var all []manifest
	for _, file := range files {
		for documents := yaml.NewDecoder(bytes.NewReader([]byte(read(t, file)))); ; {
			var m manifest
			err := documents.Decode(&m)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			all = append(all, m)
		}
	}
	return all
}

// pods returns the gateways of the StatefulSet.
func pods(t *testing.T, manifests []manifest) []deployed {
	t.Helper()
	set := theOne(t, manifests, "StatefulSet", "")
	p, c := set.Spec.Template.Spec, set.Spec.Template.Spec.Containers[0]
	sources := make(map[string]string) // of each volume
	for _, v := range p.Volumes {
		sources[v.Name] = v.Secret.Name
	}
	for _, claim := range set.Spec.Claims {
		sources[claim.Metadata.Name] = claim.Metadata.Name
	}
	var all []deployed
	for i := range set.Spec.Replicas {
		name := set.Metadata.Name + "-" + string(rune('0'+i))
		d := deployed{name: name, mounts: make(map[string]string),
			grace: time.Duration(p.Grace-c.Lifecycle.PreStop.Sleep.Seconds) * time.Second}
		for _, arg := range c.Args {
			d.args = append(d.args, strings.ReplaceAll(arg, "$(POD_NAME)", name))
		}
		for _, m := range c.Mounts {
			source, ok := sources[m.Name]
			if !ok {
				t.Errorf("%s mounts %q, which is no volume of its pod", c.Name, m.Name)
			}
			d.mounts[m.Path] = source
		}
		all = append(all, d)
	}
	return all
}

// theOne returns the only object of a kind, with a name unless that is empty.
func theOne(t *testing.T, manifests []manifest, kind, name string) manifest {
	t.Helper()
	var found []manifest
	for _, m := range manifests {
		if m.Kind == kind && (name == "" || m.Metadata.Name == name) {
			found = append(found, m)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d objects of kind %s named %q; expected one", len(found), kind, name)
	}
	return found[0]
}
